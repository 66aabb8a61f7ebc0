package Shop::Trouble;

use strict;
use warnings;

sub new { my ($class, $message) = @_; bless {message => $message}, $class }
sub message { uc $_[0]{message} }

1;
