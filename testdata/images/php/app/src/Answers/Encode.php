<?php

namespace Shop\Answers;

use Shop\Answer;

final class Encode extends Answer
{
    public function answer(string $method, array $words): void
    {
        $text = asked('text');
        $this->site->json([bin2hex(iconv('UTF-8', asked('to'), $text)), bin2hex(mb_convert_encoding($text, asked('mb', asked('to')), 'UTF-8'))]);
    }
}
