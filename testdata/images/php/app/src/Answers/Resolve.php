<?php

namespace Shop\Answers;

use Shop\Answer;

final class Resolve extends Answer
{
    public function answer(string $method, array $words): void
    {
        $this->site->json(gethostbyname(asked('name')));
    }
}
