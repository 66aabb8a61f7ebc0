use strict;
use warnings;
use utf8;
use Plack::Builder;
use Shop;

builder {
    enable 'Static', path => qr{^/static/}, root => "$Shop::ROOT/public";
    Shop->new->to_app;
};
