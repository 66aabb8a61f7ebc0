use strict;
use warnings;
use Math::Trig;

print pi > 3 ? sqrt($ARGV[0]**2 + $ARGV[1]**2) : 0, "\n";
