<?php

namespace Shipping;

interface Carrier
{
    public function cents(int $grams): ?int;
}
