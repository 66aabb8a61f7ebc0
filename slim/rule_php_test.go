package slim

import (
	"strings"
	"testing"

	"github.com/pare-image/pare/layers"
)

// phpImage is cut from Debian 12's php8.2-fpm, php8.2-common, php8.2-opcache,
// php8.2-mbstring, php-symfony-console and what that depends on, dokuwiki's
// vendor directory, and the layout of Docker's php images.
const phpImage = `
-- content status --
Package: php-symfony-console
Status: install ok installed
Architecture: all
Version: 5.4
Depends: php-symfony-string

Package: php-symfony-string
Status: install ok installed
Architecture: all
Version: 5.4
-- content installed --
{
    "packages": [
        {"name": "splitbrain/slika", "version": "1.0.5", "require": {"php": ">=7", "psr/log-implementation": "1"}, "bin": ["bin/slika"], "install-path": "../splitbrain/slika"},
        {"name": "monolog/monolog", "version": "2.0", "provide": {"psr/log-implementation": "1.0.0"}, "require": {"splitbrain/slika": "*"}, "install-path": "../monolog/monolog"},
        {"name": "geshi/geshi", "version": "dev-master", "install-path": "../geshi/geshi"}
    ],
    "dev": false
}
-- layer --
file var/lib/dpkg/status @status
file var/lib/dpkg/info/php-symfony-console.list "/usr/share/php/Symfony/Component/Console/Application.php\n/usr/share/php/Symfony/Component/Console/autoload.php\n/usr/share/doc/php-symfony-console/README\n"
file var/lib/dpkg/info/php-symfony-string.list "/usr/share/php/Symfony/Component/String/autoload.php\n"
file usr/share/php/Symfony/Component/Console/Application.php
file usr/share/php/Symfony/Component/Console/autoload.php
file usr/share/php/Symfony/Component/String/autoload.php
file usr/share/doc/php-symfony-console/README
file etc/php/8.2/fpm/php.ini "[PHP]\nengine = On\n;extension=ldap\nauto_prepend_file = \"/usr/w/pre.php\" ; first\n"
file etc/php/8.2/fpm/php-fpm.conf "[global]\npid = /run/php/php8.2-fpm.pid\ninclude=/etc/php/8.2/fpm/pool.d/*.conf\n"
file etc/php/8.2/fpm/pool.d/www.conf
file etc/php/8.2/fpm/pool.d/www.conf.dpkg-old
symlink etc/php/8.2/fpm/conf.d/10-opcache.ini -> /etc/php/8.2/mods-available/opcache.ini
symlink etc/php/8.2/fpm/conf.d/20-mbstring.ini -> /etc/php/8.2/mods-available/mbstring.ini
file etc/php/8.2/fpm/conf.d/README
symlink etc/php/8.2/cli/conf.d/20-mbstring.ini -> /etc/php/8.2/mods-available/mbstring.ini
file etc/php/8.2/mods-available/opcache.ini "; configuration for php opcache module\n; priority=10\nzend_extension=opcache.so\n"
file etc/php/8.2/mods-available/mbstring.ini "extension=mbstring\n"
file etc/php/8.2/mods-available/xml.ini "extension=xml.so\n"
file usr/lib/php/20220829/opcache.so
file usr/lib/php/20220829/mbstring.so
file usr/lib/php/20220829/xml.so
file usr/w/pre.php
file usr/w/vendor/autoload.php
file usr/w/vendor/bin/slika
file usr/w/vendor/composer/ClassLoader.php
file usr/w/vendor/composer/autoload_real.php
file usr/w/vendor/composer/installed.json @installed
file usr/w/vendor/composer/installed.php
file usr/w/vendor/splitbrain/slika/src/Slika.php
file usr/w/vendor/splitbrain/slika/README.md
file usr/w/vendor/splitbrain/slika/.git/config
file usr/w/vendor/monolog/monolog/src/Logger.php
file usr/w/vendor/geshi/geshi/geshi.php
file usr/local/etc/php-fpm.conf "include=etc/php-fpm.d/*.conf\n"
file usr/local/etc/php-fpm.d/www.conf
file usr/local/etc/php-fpm.d/zz-docker.conf
file usr/local/etc/php/conf.d/docker-php-ext-sodium.ini "extension=sodium\nextension_dir=/usr/local/lib/php/extensions/no-debug-non-zts-20220829\n"
file usr/local/lib/php/extensions/no-debug-non-zts-20220829/sodium.so
file usr/local/lib/php/extensions/no-debug-non-zts-20220829/opcache.so
`

var phpPaths = strings.NewReplacer("$F/", "/etc/php/8.2/fpm/", "$M/", "/etc/php/8.2/mods-available/", "$E/", "/usr/lib/php/20220829/", "$V/", "/usr/w/vendor/", "$S/", "/usr/share/php/Symfony/Component/")

func TestRulePHP(t *testing.T) {
	runRuleCases(t, []ruleCase{
		{
			name: "the configuration of the SAPI that ran, with the extensions that it names", image: phpImage,
			opened: phpPaths.Replace("$F/conf.d/20-mbstring.ini $F/php-fpm.conf $E/opcache.so"),
			want: phpPaths.Replace(`
$F/php-fpm.conf access
$F/pool.d/www.conf php $F/php-fpm.conf
$F/php.ini php $F/conf.d/20-mbstring.ini
/usr/w/pre.php php $F/php.ini
$F/conf.d/10-opcache.ini link $M/opcache.ini
$F/conf.d/20-mbstring.ini link $M/mbstring.ini
$M/opcache.ini php $F/conf.d/20-mbstring.ini
$M/mbstring.ini access
$E/opcache.so access
$E/mbstring.so php $F/conf.d/20-mbstring.ini
`),
		},
		{
			name: "as Docker's images have it", image: phpImage,
			opened: "/usr/local/etc/php-fpm.conf /usr/local/etc/php/conf.d",
			want: `
/usr/local/etc/php-fpm.conf access
/usr/local/etc/php-fpm.d/www.conf php /usr/local/etc/php-fpm.conf
/usr/local/etc/php-fpm.d/zz-docker.conf php /usr/local/etc/php-fpm.conf
/usr/local/etc/php/conf.d access
/usr/local/etc/php/conf.d/docker-php-ext-sodium.ini php /usr/local/etc/php/conf.d
/usr/local/lib/php/extensions/no-debug-non-zts-20220829/sodium.so php /usr/local/etc/php/conf.d/docker-php-ext-sodium.ini
`,
		},
		{
			name: "Composer's autoloader with any code that it loads", image: phpImage,
			opened: phpPaths.Replace("$V/geshi/geshi/geshi.php"),
			want: phpPaths.Replace(`
$V/geshi/geshi/geshi.php access
$V/autoload.php php $V/geshi/geshi/geshi.php
$V/composer/ClassLoader.php php $V/geshi/geshi/geshi.php
$V/composer/autoload_real.php php $V/geshi/geshi/geshi.php
$V/composer/installed.json package-database /usr/w/vendor
$V/composer/installed.php php $V/geshi/geshi/geshi.php
`),
			risks: "package-list /usr/w/vendor/composer/installed.php",
		},
	})
}

func TestRuleComposer(t *testing.T) {
	auto := Options{Granularity: GranularityAuto}
	runRuleCases(t, []ruleCase{
		{
			name: "whole, with what it requires, by the names that others provide", image: phpImage, options: auto,
			opened: phpPaths.Replace("$V/splitbrain/slika/src/Slika.php"),
			want: phpPaths.Replace(strings.ReplaceAll(`
U access
$V/splitbrain/slika/README.md composer U
$V/bin/slika composer U
$V/monolog/monolog composer U
$V/monolog/monolog/src composer U
$V/monolog/monolog/src/Logger.php composer U
$V/autoload.php php U
$V/composer/ClassLoader.php php U
$V/composer/autoload_real.php php U
$V/composer/installed.json package-database /usr/w/vendor
$V/composer/installed.php php U
`, "U", "$V/splitbrain/slika/src/Slika.php")),
			risks: "package-list /usr/w/vendor/composer/installed.php",
		},
		{
			name: "a package of Debian with those that it depends on: their libraries", image: phpImage, options: auto,
			opened: phpPaths.Replace("$S/Console/Application.php"),
			want: phpPaths.Replace(`
$S/Console/Application.php access
$S/Console/autoload.php composer $S/Console/Application.php
$S/String/autoload.php composer $S/Console/Application.php
/var/lib/dpkg/info/php-symfony-console.list package-database $S/Console/Application.php
/var/lib/dpkg/info/php-symfony-string.list package-database $S/String/autoload.php
/var/lib/dpkg/status package-database
`),
		},
	})
}

// Scanners see the packages of Composer that have files, and no others.
func TestComposerListIsTrue(t *testing.T) {
	tree := open(t, phpImage)
	_, out := slimmed(t, tree, opened("/usr/w/vendor/geshi/geshi/geshi.php"), Options{Granularity: GranularityFile})
	want := `{
    "packages": [
        {"name": "geshi/geshi", "version": "dev-master", "install-path": "../geshi/geshi"}
    ],
    "dev": false
}
`
	if got := string(layers.ELFTree{Tree: out}.ReadFile("/usr/w/vendor/composer/installed.json")); got != want {
		t.Errorf("installed.json is %s\nwant %s", got, want)
	}
}
