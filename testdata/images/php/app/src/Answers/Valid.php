<?php

namespace Shop\Answers;

use Shop\Answer;

final class Valid extends Answer
{
    public function answer(string $method, array $words): void
    {
        libxml_use_internal_errors(true);
        $document = new \DOMDocument();
        $document->loadXML(file_get_contents('php://input'));
        $this->site->json($document->relaxNGValidate($this->site->root . '/sheets/products.rng'));
    }
}
