<?php

namespace Shop;

final class Lost extends \RuntimeException
{
}
