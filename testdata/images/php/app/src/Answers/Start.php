<?php

namespace Shop\Answers;

use Shop\Answer;

final class Start extends Answer
{
    public function answer(string $method, array $words): void
    {
        $products = (new \Shop\Shelf())->products();
        echo $this->site->twig->render('start.html.twig', ['products' => $products, 'opened' => date('d.m.Y H:i', 1719835200)]);
    }
}
