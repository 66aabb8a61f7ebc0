<?php

namespace Shop\Answers;

use Shop\Answer;

final class Broken extends Answer
{
    public function answer(string $method, array $words): void
    {
        throw new \Shop\Trouble(asked('text'));
    }
}
