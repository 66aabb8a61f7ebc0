<?php

return ['items' => '{n, plural, one{Ein Stück} other{# Stücke}}'];
