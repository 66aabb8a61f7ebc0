<?php

namespace Shop\Answers;

use Shop\Answer;

final class Label extends Answer
{
    public function answer(string $method, array $words): void
    {
        $box = imagettfbbox(20, 0, $this->site->root . '/fonts/DejaVuSans.ttf', asked('text'));
        $this->site->json($box[2] > 20 && $box[5] < -10);
    }
}
