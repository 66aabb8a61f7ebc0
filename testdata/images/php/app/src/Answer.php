<?php

namespace Shop;

abstract class Answer
{
    public function __construct(protected Site $site)
    {
    }

    /** @param list<string> $words the path behind the first word */
    abstract public function answer(string $method, array $words): void;
}
