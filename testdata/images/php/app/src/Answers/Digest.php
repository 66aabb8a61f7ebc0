<?php

namespace Shop\Answers;

use Shop\Answer;

final class Digest extends Answer
{
    public function answer(string $method, array $words): void
    {
        $word = asked('word');
        $this->site->json([
            hash('xxh3', $word), hash('whirlpool', $word), bin2hex(hash_pbkdf2('sha256', $word, 'salt', 1000, 8, true)),
            password_verify($word, password_hash($word, PASSWORD_BCRYPT, ['cost' => 4])),
            bin2hex(openssl_encrypt($word, 'aes-256-gcm', str_repeat('k', 32), OPENSSL_RAW_DATA, str_repeat('i', 12), $tag)),
        ]);
    }
}
