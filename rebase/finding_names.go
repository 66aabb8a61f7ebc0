package rebase

// Names of findings: stable, for --allow and for machines. Those of single
// checks stand with the checks.
const (
	FindingConfig          = "config-conflict"    // image and new base both set a field of the config
	FindingConfigUnknown   = "config-not-merged"  // the old base's config is not known
	FindingDistribution    = "distribution"       // packages of two distributions, or of two releases of one
	FindingDowngrade       = "downgrade"          // the new base has older packages than the old one
	FindingFixMissing      = "fix-missing"        // a fix that was required does not arrive
	FindingHidden          = "hidden-files"       // new files of the base that a whiteout hides
	FindingNotHeld         = "not-held"           // a package that was to be held, and the image does not have
	FindingPackageDatabase = "package-database"   // it cannot be merged
	FindingShadowed        = "shadowed"           // a change of the base that an upper layer hides
	FindingUnmet           = "unmet-dependency"   // of the merged packages
	FindingStructure       = "directory-replaced" // a directory, link or file of the base that an upper layer replaces by another kind
	FindingUser            = "user-not-found"     // the config's user
	FindingProgram         = "program-not-found"  // the config's entrypoint, command or health check
	FindingLink            = "dangling-link"      // a symlink of an upper layer that led somewhere
	FindingLibc            = "libc"               // another C library than the image's programs are made for
)

// FindingNames are the names of all findings that can be allowed, sorted.
func FindingNames() []string {
	return []string{
		FindingAccounts, FindingConfig, FindingConfigUnknown, FindingLink, FindingStructure, FindingDistribution, FindingDowngrade, FindingFixMissing,
		FindingHidden, FindingLanguage, FindingLibc, FindingInterpreter, FindingLibrary, FindingScript, FindingSymbol, FindingVersion,
		FindingNodeABI, FindingNotHeld, FindingPackageDatabase, FindingProgram, FindingShadowed, FindingUnmet, FindingUser,
	}
}
