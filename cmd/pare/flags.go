package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim"
)

// bindEnum binds a flag that takes one of known, and completes them.
func bindEnum(cmd *cobra.Command, flags *pflag.FlagSet, value *string, name, usage string, known []string) {
	flags.Var(&enum{value, known}, name, usage+": "+strings.Join(known, ", "))
	complete(cmd, name, known)
}

func complete(cmd *cobra.Command, name string, words []string) {
	err := cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // a flag that is not bound
	}
}

// sourceFlags say how images are reached.
type sourceFlags struct {
	platform string
	insecure []string
	ca       string
}

func (f *sourceFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.platform, "platform", "", "of an index, the image for `OS/ARCH[/VARIANT]`")
	cmd.Flags().StringArrayVar(&f.insecure, "insecure", nil, "`HOST` may speak plain http, or have a certificate that nobody vouches for; repeatable")
	cmd.Flags().StringVar(&f.ca, "ca", "", "`FILE` of certificates (PEM) that are trusted besides the system's")
}

// cacheFlags say where layers' indexes are kept between runs.
type cacheFlags struct {
	dir string
	off bool
}

func (f *cacheFlags) bind(cmd *cobra.Command) {
	bindCacheDir(cmd, &f.dir)
	cmd.Flags().BoolVar(&f.off, "no-cache", false, "read every layer anew and keep nothing")
}

func bindCacheDir(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "cache-dir", "", "`DIR` of verified layers' indexes (default: pare in the user's cache directory)")
}

// cacheDir is where the cache is; "" with a reason when there is no place.
func (f *cacheFlags) cacheDir() (string, error) {
	if f.dir != "" {
		return f.dir, nil
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return base + "/pare", nil
}

// open returns the cache. Without one things only take longer, so a default
// place that cannot be used is a note and no error.
func (f *cacheFlags) open(t *terminal) (*layers.Cache, error) {
	if f.off {
		return nil, nil
	}
	dir, err := f.cacheDir()
	var c *layers.Cache
	if err == nil {
		c, err = layers.OpenCache(dir, 0)
	}
	if err != nil && f.dir == "" {
		t.note("without a cache: %v", err)
		return nil, nil
	}
	return c, err
}

// slimFlags are the options of a slim, for slim, plan and why.
type slimFlags struct {
	profiles    []string
	reuse       reuseFlags
	options     slim.Options
	rules       string
	compression string
	base        baseFlags
}

func (f *slimFlags) bind(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringArrayVarP(&f.profiles, "profile", "p", nil, "profile `FILE`; several are merged, or are for several platforms (default: those attached to the image)")
	f.reuse.bind(cmd)
	f.options.Granularity = slim.GranularityAuto
	bindEnum(cmd, fl, &f.options.Granularity, "granularity", "applications and language packages whole and OS packages by file (auto), all by file, or OS packages whole",
		[]string{slim.GranularityAuto, slim.GranularityFile, slim.GranularityPackage})
	f.options.Reach = slim.ReachReport
	bindEnum(cmd, fl, &f.options.Reach, "reach", "what kept code can import or open by name and the workload did not: named as a risk, or kept", []string{slim.ReachReport, slim.ReachKeep})
	f.options.Layers = slim.LayersPreserve
	bindEnum(cmd, fl, &f.options.Layers, "layers", "an output layer for each source layer, or one", []string{slim.LayersPreserve, slim.LayersSquash})
	f.base.bind(cmd)
	bindEnum(cmd, fl, &f.options.Prefer, "prefer", "whose file counts where the base has another and versions of packages do not say", []string{slim.PreferSource, slim.PreferBase})
	fl.StringVar(&f.options.User, "user", "", "run as `UID:GID` (default: the image's, the one that the workload switched to, or 65532:65532)")
	fl.StringArrayVar(&f.options.Keep, "keep", nil, "keep what `PATTERN` (gitignore syntax) matches; repeatable")
	fl.StringArrayVar(&f.options.Drop, "drop", nil, "drop what `PATTERN` matches, whoever keeps it; repeatable")
	fl.StringArrayVar(&f.options.Own, "own", nil, "give `PATH` and all below to the image's user; repeatable")
	fl.StringVar(&f.rules, "rules", "", "`FILE` of lines \"keep PATTERN\" and \"drop PATTERN\"")
	fl.StringArrayVar(&f.options.Groups, "group", nil, "keep a group whole though no file of it was touched: "+strings.Join(slim.GroupNames(), ", "))
	complete(cmd, "group", slim.GroupNames())
	f.compression = string(layers.Gzip)
	bindEnum(cmd, fl, &f.compression, "compression", "of layers",
		[]string{string(layers.Gzip), string(layers.Zstd), string(layers.Uncompressed), string(layers.EStargz)})
	fl.StringArrayVar(&f.options.Allow, "allow", nil, "build in spite of the `FINDING` of this name (docs/rules.md lists them); repeatable")
}

// maxRules bounds a rules file.
const maxRules = 4 << 20

// resolve reads what the flags name and returns the options.
func (f *slimFlags) resolve(a *app) (slim.Options, error) {
	o := f.options
	o.Compression = layers.Compression(f.compression)
	o.Version = programVersion()
	for _, g := range o.Groups {
		if e := (&enum{new(string), slim.GroupNames()}); e.Set(g) != nil {
			return o, usagef("unknown group %q; known are %s", g, strings.Join(slim.GroupNames(), ", "))
		}
	}
	if f.rules != "" {
		b, err := readFile(f.rules, maxRules)
		if err != nil {
			return o, fmt.Errorf("reading rules: %w", err)
		}
		o.Rules = string(b)
	}
	var err error
	if o.SourceDateEpoch, err = a.sourceDateEpoch(); err != nil {
		return o, err
	}
	if err := f.base.check(o); err != nil {
		return o, err
	}
	return o, o.Check()
}

// sourceDateEpoch is the time, in seconds since 1970, that the environment
// wants new images to have; nil when it says none.
func (a *app) sourceDateEpoch() (*int64, error) {
	text := a.env("SOURCE_DATE_EPOCH")
	if text == "" {
		return nil, nil
	}
	sec, err := strconv.ParseInt(text, 10, 64)
	if err != nil || sec < 0 {
		return nil, usagef("SOURCE_DATE_EPOCH is %q; want seconds since 1970", text)
	}
	return &sec, nil
}
