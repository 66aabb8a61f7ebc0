<?php

namespace Shop\Answers;

use Shop\Answer;

final class Sorted extends Answer
{
    public function answer(string $method, array $words): void
    {
        $list = explode(' ', asked('words'));
        (new \Collator(asked('lang')))->sort($list);
        $this->site->json([$list, \Normalizer::normalize("e\u{301}"), transliterator_transliterate('Any-Latin; Latin-ASCII', asked('words'))]);
    }
}
