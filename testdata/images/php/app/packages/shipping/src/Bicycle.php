<?php

namespace Shipping;

final class Bicycle implements Carrier
{
    public function cents(int $grams): ?int
    {
        return 300 + intdiv($grams, 10);
    }
}
