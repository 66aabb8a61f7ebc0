package slim

import "testing"

// programs is an image with a program at every place that PATH may name.
const programs = `
-- layer --
file t
file usr/bin/app 0755
file usr/local/bin/app 0644
dir usr/local/sbin/app
file opt/bin/app 0755
file opt/bin/own.sh 0755
file opt/bin/data.json
file bin/sh 0755
file bin/curl 0755
file srv/www/run.py
file srv/www/etc/app.conf
`

func TestRuleConfig(t *testing.T) {
	runRuleCases(t, []ruleCase{
		{
			name:   "a program by the PATH that runtimes take: directories and plain files are passed over",
			image:  programs + `-- config --` + "\n" + `{"Entrypoint":["app"]}`,
			opened: "/t",
			want: `
/t access
/usr/bin/app config config:Entrypoint
`,
		},
		{
			name:   "a program by the config's PATH",
			image:  programs + `-- config --` + "\n" + `{"Env":["PATH=relative::/opt/bin:/usr/bin"],"Cmd":["app"]}`,
			opened: "/t",
			want: `
/t access
/opt/bin/app config config:Entrypoint
`,
		},
		{
			name:   "an entrypoint relative to the working directory, and files that are its arguments",
			image:  programs + `-- config --` + "\n" + `{"WorkingDir":"/opt","Entrypoint":["bin/own.sh","bin/data.json","/usr/bin/app","--x=/bin/curl","nothing.here"]}`,
			opened: "/t",
			want: `
/t access
/opt/bin/own.sh config config:Entrypoint
/opt/bin/data.json config config:Entrypoint
/usr/bin/app config config:Entrypoint
`,
		},
		{
			name:   "a script given to an interpreter, in Cmd",
			image:  programs + `-- config --` + "\n" + `{"WorkingDir":"/srv/www","Entrypoint":["/bin/sh","-e"],"Cmd":["run.py","etc/app.conf"]}`,
			opened: "/t",
			want: `
/t access
/bin/sh config config:Entrypoint
/srv/www/run.py config config:Entrypoint
/srv/www/etc/app.conf config config:Entrypoint
`,
		},
		{
			name:   "Cmd may replace the entrypoint's arguments with a program",
			image:  programs + `-- config --` + "\n" + `{"Entrypoint":["/opt/bin/own.sh"],"Cmd":["app","-x"]}`,
			opened: "/t",
			want: `
/t access
/opt/bin/own.sh config config:Entrypoint
/usr/bin/app config config:Cmd
`,
		},
		{
			name:   "the words of a shell command are not looked at",
			image:  programs + `-- config --` + "\n" + `{"Entrypoint":["/bin/sh","-c","exec /usr/bin/app"]}`,
			opened: "/t",
			want: `
/t access
/bin/sh config config:Entrypoint
`,
		},
		{
			name:   "healthcheck by program",
			image:  programs + `-- config --` + "\n" + `{"Healthcheck":{"Test":["CMD","curl","/srv/www/etc/app.conf"]}}`,
			opened: "/t",
			want: `
/t access
/bin/curl config config:Healthcheck
/srv/www/etc/app.conf config config:Healthcheck
`,
			risks: "healthcheck",
		},
		{
			name:   "healthcheck by shell",
			image:  programs + `-- config --` + "\n" + `{"Healthcheck":{"Test":["CMD-SHELL","curl localhost"]}}`,
			opened: "/t",
			want: `
/t access
/bin/sh config config:Healthcheck
`,
			risks: "healthcheck",
		},
		{
			// docker takes the image's shell, podman always sh.
			name:   "healthcheck by the image's own shell",
			image:  programs + `-- config --` + "\n" + `{"Shell":["/opt/bin/own.sh","-c"],"Healthcheck":{"Test":["CMD-SHELL","x"]}}`,
			opened: "/t",
			want: `
/t access
/bin/sh config config:Healthcheck
/opt/bin/own.sh config config:Shell
`,
			risks: "healthcheck",
		},
		{
			name:   "no healthcheck",
			image:  programs + `-- config --` + "\n" + `{"Healthcheck":{"Test":["NONE"]}}`,
			opened: "/t",
			want:   "/t access",
		},
		{
			name: "volumes with their content, behind a link too",
			image: `
-- layer --
file t
symlink data -> srv/data
dir srv/data/empty
file srv/data/f
symlink srv/data/out -> ../else
file srv/else
dir var/lib/db
-- config --
{"Volumes":{"/data":{},"/var/lib/db/":{},"/not/there":{}}}
`,
			opened: "/t",
			want: `
/t access
/data link /srv/data
/srv/data config config:Volumes
/srv/data/empty config config:Volumes
/srv/data/f config config:Volumes
/srv/data/out config config:Volumes
/srv/else link /srv/data/out
/var/lib/db config config:Volumes
`,
		},
		{
			name: "a working directory without anything else",
			image: `
-- layer --
file t
file opt/app/x
-- config --
{"WorkingDir":"/opt/app"}
`,
			opened: "/t",
			want: `
/t access
/opt/app config config:WorkingDir
`,
		},
		{
			name: "a working directory that is a link",
			image: `
-- layer --
file t
symlink app -> /releases/7
dir releases/7
-- config --
{"WorkingDir":"app/"}
`,
			opened: "/t",
			want: `
/t access
/app link /releases/7
/releases/7 config config:WorkingDir
`,
		},
	})
}
