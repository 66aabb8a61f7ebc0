<?php

namespace Shop;

/** Finds who answers, and loads no other. */
final class Site
{
    public readonly \Twig\Environment $twig;

    public function __construct(public readonly string $root)
    {
        $this->twig = new \Twig\Environment(new \Twig\Loader\FilesystemLoader($root . '/templates'), ['strict_variables' => true]);
    }

    public function answer(string $method, string $path): void
    {
        $words = explode('/', trim($path, '/'));
        $class = 'Shop\\Answers\\' . ucfirst($words[0] ?: 'start');
        try {
            if (!preg_match('/^[a-z]*$/', $words[0]) || !class_exists($class)) {
                throw new Lost($path);
            }
            (new $class($this))->answer($method, array_slice($words, 1));
        } catch (Lost $e) {
            http_response_code(404);
            echo $this->twig->render('lost.html.twig', ['path' => $e->getMessage()]);
        } catch (\Throwable $e) {
            error_log((string) $e);
            http_response_code(500);
            echo $this->twig->render('broken.html.twig', ['error' => $e]);
        }
    }

    public function json(mixed $value): void
    {
        header('Content-Type: application/json');
        echo json_encode($value, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES);
    }
}
