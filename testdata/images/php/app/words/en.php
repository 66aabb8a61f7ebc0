<?php

return ['items' => '{n, plural, one{One item} other{# items}}'];
