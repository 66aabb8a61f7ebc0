<?php

namespace Shop\Answers;

use Shop\Answer;

final class Orders extends Answer
{
    private const STATE = '/var/lib/shop/';

    public function answer(string $method, array $words): void
    {
        $file = self::STATE . 'order-' . (int) $words[0];
        if ($method === 'PUT') {
            file_put_contents($file, file_get_contents('php://input'));
            http_response_code(204);
            return;
        }
        if (!is_file($file)) {
            throw new \Shop\Lost($words[0]);
        }
        header('Content-Type: text/plain; charset=utf-8');
        readfile($file);
    }
}
