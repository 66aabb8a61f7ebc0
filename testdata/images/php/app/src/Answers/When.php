<?php

namespace Shop\Answers;

use Shop\Answer;

final class When extends Answer
{
    public function answer(string $method, array $words): void
    {
        $at = (new \DateTimeImmutable('@' . asked('unix')))->setTimezone(new \DateTimeZone(asked('zone')));
        $long = new \IntlDateFormatter(asked('lang', 'de_DE'), \IntlDateFormatter::FULL, \IntlDateFormatter::SHORT, $at->getTimezone());
        $this->site->json([$at->format('c T'), $long->format($at)]);
    }
}
