package Shop;

# A shop, for tests: what it needs beyond its first page is loaded when it is
# asked for.
use strict;
use warnings;
use utf8;
use Cwd ();
use DBI;
use Encode ();
use File::Basename ();
use HTML::LinkExtor;
use JSON::XS;
use Plack::Request;
use Template;
use XML::LibXML;

our $ROOT = Cwd::abs_path(File::Basename::dirname(__FILE__) . '/..');
our $STATE = '/var/lib/shop';

sub new { bless {json => JSON::XS->new->utf8->canonical->allow_nonref}, shift }

sub to_app {
    my $self = shift;
    return sub {
        my $request = Plack::Request->new(shift);
        my ($first, @words) = grep { length } split m{/}, $request->path;
        my $answer = $self->can('answer_' . ($first // 'start'));
        my $response = eval { $answer ? $self->$answer($request, @words) : undef };
        if (my $error = $@) {
            return $self->page(500, 'broken.tt', error => ref $error ? $error->message : $error);
        }
        return $response // $self->page(404, 'lost.tt', path => $request->path);
    };
}

sub page {
    my ($self, $code, $name, %vars) = @_;
    my $template = Template->new({INCLUDE_PATH => "$ROOT/templates", ENCODING => 'utf8', WRAPPER => 'base.tt'});
    $template->process($name, \%vars, \my $out) or die $template->error->as_string;
    return [$code, ['Content-Type' => 'text/html; charset=utf-8'], [Encode::encode_utf8($out)]];
}

sub json {
    my ($self, $value) = @_;
    return [200, ['Content-Type' => 'application/json'], [$self->{json}->encode($value)]];
}

# asked is a parameter, as text.
sub asked {
    my ($request, $name) = @_;
    return Encode::decode_utf8($request->query_parameters->{$name} // '');
}

sub products {
    my $db = DBI->connect('dbi:SQLite:dbname=:memory:', '', '', {RaiseError => 1, sqlite_unicode => 1});
    $db->do('create table product (name text, cents integer)');
    $db->do('insert into product values (?, ?)', undef, @$_) for ['Teekanne', 2450], ['Große Tasse', 895];
    return $db->selectall_arrayref('select name, cents from product order by cents', {Slice => {}});
}

sub answer_start { $_[0]->page(200, 'start.tt', products => products()) }

sub answer_orders {
    my ($self, $request, $id) = @_;
    my $file = sprintf '%s/order-%d', $STATE, $id;
    if ($request->method eq 'PUT') {
        open my $out, '>:raw', $file or die "$file: $!";
        print $out $request->content;
        close $out or die "$file: $!";
        return [204, [], []];
    }
    open my $in, '<:raw', $file or return;
    local $/;
    return [200, ['Content-Type' => 'text/plain; charset=utf-8'], [scalar <$in>]];
}

sub answer_encode {
    my ($self, $request) = @_;
    return $self->json(unpack 'H*', Encode::encode(asked($request, 'to'), asked($request, 'text'), Encode::FB_CROAK));
}

sub answer_letters {
    my ($self, $request) = @_;
    require Unicode::Normalize;
    require Unicode::UCD;
    require charnames;
    my $text = asked($request, 'text');
    return $self->json([
        length Unicode::Normalize::NFKD($text), charnames::viacode(ord $text), uc $text,
        Unicode::UCD::charscript(ord $text), scalar(() = $text =~ /\p{Script=Greek}/g), \1,
    ]);
}

sub answer_sorted {
    my ($self, $request) = @_;
    require Unicode::Collate::Locale;
    my $collator = Unicode::Collate::Locale->new(locale => asked($request, 'lang'));
    return $self->json([$collator->sort(split / /, asked($request, 'words'))]);
}

sub answer_clock {
    my ($self, $request) = @_;
    require DateTime;
    my $at = DateTime->from_epoch(epoch => asked($request, 'unix'), time_zone => asked($request, 'zone'), locale => asked($request, 'lang'));
    require POSIX;
    local $ENV{TZ} = asked($request, 'zone');
    POSIX::tzset();
    return $self->json([$at->strftime('%Y-%m-%dT%H:%M %z %A'), POSIX::strftime('%H:%M %Z', localtime asked($request, 'unix'))]);
}

sub answer_exact {
    my ($self) = @_;
    require Math::BigFloat;
    require bigint;
    return $self->json([Math::BigFloat->new(1)->bdiv(7, 20)->bstr, bigint::hex('0xffffffffffffffffff')->bstr]);
}

sub answer_digest {
    my ($self, $request) = @_;
    my $word = asked($request, 'word');
    require Digest;
    require MIME::Base64;
    return $self->json([(map { substr Digest->new($_)->add($word)->hexdigest, 0, 16 } qw(MD5 SHA-1 SHA-384)), MIME::Base64::encode($word, '')]);
}

sub answer_delivery {
    my ($self, $request, $by) = @_;
    my ($name) = $by =~ /^([a-z]+)$/ or return;
    my $module = 'Shop/Delivery/' . ucfirst($name) . '.pm';
    return unless -e "$ROOT/lib/$module";
    require $module;
    return $self->json(('Shop::Delivery::' . ucfirst $name)->cents(asked($request, 'grams')));
}

sub answer_report {
    my ($self) = @_;
    my $document = XML::LibXML->load_xml(location => "$ROOT/data/products.xml", no_network => 1);
    my $schema = XML::LibXML::RelaxNG->new(location => "$ROOT/data/products.rng");
    my $sum = $document->findvalue('sum(//@cents)');
    return $self->json(["$sum", eval { $schema->validate($document); 1 } ? \1 : \0, $document->documentElement->firstChild->nodeName]);
}

sub answer_mail {
    my ($self, $request) = @_;
    my $template = Template->new({INCLUDE_PATH => "$ROOT/templates", ENCODING => 'utf8'});
    $template->process('mail.tt', {products => products(), name => asked($request, 'name')}, \my $out) or die $template->error->as_string;
    return [200, ['Content-Type' => 'text/plain; charset=utf-8'], [Encode::encode_utf8($out)]];
}

sub answer_packed {
    my ($self, $request) = @_;
    require IO::Compress::Gzip;
    require IO::Uncompress::Gunzip;
    require Archive::Tar;
    require Storable;
    my $text = Encode::encode_utf8(asked($request, 'text'));
    IO::Compress::Gzip::gzip(\$text => \my $packed) or die;
    IO::Uncompress::Gunzip::gunzip(\$packed => \my $back) or die;
    my $tar = Archive::Tar->new;
    $tar->add_data('a.txt', $text);
    return $self->json([Encode::decode_utf8($back), [$tar->list_files], Storable::thaw(Storable::freeze([1, 2]))]);
}

sub answer_apart {
    my ($self, $request) = @_;
    require IPC::Open3;
    my $pid = IPC::Open3::open3(my $in, my $out, undef, $^X, "-I$ROOT/lib", "$ROOT/data/apart.pl", split / /, asked($request, 'of'));
    my $line = <$out>;
    waitpid $pid, 0;
    return $self->json([$line, $? >> 8]);
}

sub answer_words {
    my ($self, $request) = @_;
    require Text::Wrap;
    require Text::ParseWords;
    require List::Util;
    require Time::Piece;
    require Data::Dumper;
    local $Text::Wrap::columns = 12;
    return $self->json([
        Text::Wrap::wrap('', '', asked($request, 'text')), [Text::ParseWords::shellwords('a "b c"')],
        List::Util::reduce(sub { $a + $b }, 1 .. 4), Time::Piece->strptime('2024-02-29', '%Y-%m-%d')->yday,
        Data::Dumper->new([[1]])->Indent(0)->Terse(1)->Dump,
    ]);
}

sub answer_links {
    my ($self, $request) = @_;
    require URI;
    my $links = HTML::LinkExtor->new(undef, 'http://shop.example/a/');
    $links->parse($request->content)->eof;
    return $self->json([map { "$_->[2]" } $links->links]);
}

sub answer_resolve {
    my ($self, $request) = @_;
    require Socket;
    require HTTP::Status;
    my $packed = gethostbyname(asked($request, 'name')) or return;
    return $self->json([Socket::inet_ntoa($packed), HTTP::Status::status_message(418)]);
}

sub answer_broken {
    my ($self, $request) = @_;
    require Shop::Trouble;
    die Shop::Trouble->new(asked($request, 'text'));
}

1;
