<?php

namespace Shop\Answers;

use Shop\Answer;

final class Mail extends Answer
{
    public function answer(string $method, array $words): void
    {
        $twig = $this->site->twig;
        $twig->addExtension(new \Twig\Extension\StringLoaderExtension());
        header('Content-Type: text/plain; charset=utf-8');
        echo $twig->render('mail.txt.twig', ['products' => (new \Shop\Shelf())->products(), 'name' => asked('name')]);
    }
}
