package schema

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
)

// fileEndings are those of files that programs read, rather than of folders: conf.d
// is a folder.
var fileEndings = []string{
	".yaml", ".yml", ".json", ".toml", ".ini", ".conf", ".cnf", ".cfg", ".config", ".properties", ".env", ".xml", ".txt",
	".crt", ".cer", ".cert", ".pem", ".key", ".p12", ".jks", ".sh", ".sql", ".lua", ".js", ".py", ".rb", ".php", ".html", ".tpl", ".tmpl",
}

// fileMount checks how a config or a secret is mounted: it is a folder with a file
// for each key, unless subPath names one of them.
func (d *decoder) fileMount(volume, mount, subPath, service *node) {
	set, what := service.get("config").get(volume.get("config").str()), "config"
	if volume.get("secret").str() != "" {
		set, what = service.get("secrets").get(volume.get("secret").str()), "secret"
	}
	if !set.is(cue.StructKind) || set.spoilt() {
		return
	}
	keys := names(set)
	if key := subPath.str(); key != "" {
		if filepath.IsLocal(key) && !slices.Contains(keys, key) {
			hint := "name one of them"
			if near := nearestName(key, keys); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			d.against(subPath, set, rule.UnknownConfig, fmt.Sprintf("%s is %q, which is no key of %s", subPath.path, key, set.path),
				"what is mounted would be an empty folder: "+set.path+" has "+strings.Join(keys, ", "), hint)
		}
		return
	}
	at := mount.str()
	if subPath != nil || at == "" || len(keys) == 0 {
		return
	}
	base := path.Base(at)
	named := slices.Contains(keys, base)
	if !named && !slices.Contains(fileEndings, strings.ToLower(path.Ext(base))) {
		return
	}
	key := base
	if !named {
		if key = nearestName(base, keys); key == "" {
			key = keys[0]
		}
	}
	write := fmt.Sprintf("subPath: %q beside it", key)
	if mount.name == volume.name {
		write = fmt.Sprintf("{path: %q, subPath: %q}", at, key)
	}
	d.against(mount, set, rule.FileMount, fmt.Sprintf("%s would be a folder with the file %s in it", at, key),
		fmt.Sprintf("a %s is mounted as a folder, with a file for each key", what),
		fmt.Sprintf("write %s for that file alone, or mount a folder of its own, such as \"/config\"", write))
}
