<?php

namespace Shop;

final class Trouble extends \DomainException
{
}
