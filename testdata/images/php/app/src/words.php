<?php

/** What is asked, or a default. */
function asked(string $name, string $default = ''): string
{
    return $_GET[$name] ?? $default;
}
