<?php

require __DIR__ . '/../vendor/autoload.php';
require 'Twig/autoload.php';

(new Shop\Site(__DIR__ . '/..'))->answer($_SERVER['REQUEST_METHOD'], parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH));
