<?php

namespace Shop\Answers;

use Shop\Answer;

final class Money extends Answer
{
    public function answer(string $method, array $words): void
    {
        $this->site->json((new \NumberFormatter(asked('lang'), \NumberFormatter::CURRENCY))->formatCurrency(1234.5, asked('in')));
    }
}
