<?php

namespace Shop\Answers;

use Shop\Answer;

final class Greet extends Answer
{
    public function answer(string $method, array $words): void
    {
        $file = $this->site->root . '/words/' . basename(asked('lang')) . '.php';
        $texts = is_file($file) ? require $file : require $this->site->root . '/words/en.php';
        $this->site->json((new \MessageFormatter(asked('lang'), $texts['items']))->format(['n' => (int) asked('n')]));
    }
}
