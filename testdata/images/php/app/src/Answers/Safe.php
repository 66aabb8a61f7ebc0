<?php

namespace Shop\Answers;

use Shop\Answer;

final class Safe extends Answer
{
    public function answer(string $method, array $words): void
    {
        $policy = new \Twig\Sandbox\SecurityPolicy(['if'], ['escape', 'upper'], [], [], []);
        $twig = new \Twig\Environment(new \Twig\Loader\ArrayLoader(['t' => asked('template')]));
        $twig->addExtension(new \Twig\Extension\SandboxExtension($policy, true));
        try {
            $this->site->json($twig->render('t'));
        } catch (\Twig\Sandbox\SecurityError $e) {
            $this->site->json(get_class($e));
        }
    }
}
