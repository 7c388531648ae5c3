package host

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"example.com/gateway"
)

// Scripts says how the path of a request leads to a script: a file for an interpreter such as PHP,
// or a program in a folder of programs. The script is the first regular file on the path, and
// PATH_INFO is what follows. So a path never makes a script of a file that is none: with the files
// x.jpg and i.php, "/i.php/a" runs i.php, and "/x.jpg/a.php" is a 404.
//
// The program gets SCRIPT_NAME, PATH_INFO, SCRIPT_FILENAME and DOCUMENT_ROOT accordingly, and
// PATH_TRANSLATED if there is a PATH_INFO.
type Scripts struct {
	// Root is the folder of the scripts. Without a Root no script is looked for, and the program
	// gets the path as it is.
	Root string

	// Suffix is how the name of a script ends: ".php". Letters count as they are, as for php-fpm's
	// security.limit_extensions. An empty Suffix allows each name. A file with another name is a
	// 404: it is for a file server.
	Suffix string

	// Index is the script of a folder, such as "index.php". The path of a folder must end in a "/";
	// the client is sent there if the path does not. Without an Index a folder is a 404.
	Index string

	// Front is the path of a script below Root that gets all paths that lead to no script:
	// "/index.php" for most frameworks. PATH_INFO is then the whole path.
	Front string

	// RemoteRoot is Root as the program sees it, if that differs, as in a container.
	RemoteRoot string

	// Symlinks allows symbolic links that lead out of Root, and absolute ones. Relative links that
	// stay inside are always followed.
	Symlinks bool
}

// A script is what Scripts has found.
type script struct {
	name string // the path of the script below Root, with a "/" in front
	info string // what follows in the path
}

// errFolder is for the path of a folder without the "/" at its end.
var errFolder = fmt.Errorf("%w: the path of a folder without a / at its end", ErrNotFound)

// find returns the script that a path leads to. The error is errFolder, or wraps ErrNotFound or
// ErrUnavailable.
func (s *Scripts) find(path string) (script, error) {
	found, err := s.walk(path)
	if err == nil || err == errFolder {
		return found, err
	}
	if s.Front != "" && s.isFile(s.Front) {
		return script{s.Front, path}, nil
	}
	root, failed := os.OpenRoot(s.Root)
	if failed != nil {
		return script{}, fmt.Errorf("%w: %v", ErrUnavailable, failed)
	}
	root.Close()
	return found, err
}

// isFile reports whether a path is that of a regular file.
func (s *Scripts) isFile(path string) bool {
	exactly := Scripts{Root: s.Root, Symlinks: s.Symlinks}
	found, err := exactly.walk(path)
	return err == nil && found.info == ""
}

// stat looks at a name below Root. It must have looked at each folder on the way before, so that a
// symbolic link is only followed by os.Root, which does not leave Root.
func (s *Scripts) stat(name string) (fs.FileInfo, error) {
	path := filepath.Join(s.Root, name)
	if s.Symlinks {
		return os.Stat(path)
	}
	// On Windows os.Lstat takes "i.php." for i.php, and os.Root does not.
	if runtime.GOOS != "windows" {
		if info, err := os.Lstat(path); err != nil || info.Mode().Type()&^fs.ModeDir == 0 {
			return info, err
		}
	}
	root, err := os.OpenRoot(s.Root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.Stat(name)
}

// walk goes along the path to the first regular file.
func (s *Scripts) walk(path string) (script, error) {
	notFound := func(why string) (script, error) {
		return script{}, fmt.Errorf("%w: %q %s", ErrNotFound, path, why)
	}
	for end := 0; end < len(path); {
		next := strings.IndexByte(path[end+1:], '/')
		if path[end] != '/' {
			return notFound("does not begin with a /")
		}
		segment := path[end+1:]
		if next >= 0 {
			segment = segment[:next]
		}
		if segment == "" && next < 0 { // a folder
			if s.Index == "" {
				return notFound("is a folder")
			}
			if !s.isFile(path + s.Index) {
				return notFound("is a folder without an " + s.Index)
			}
			return script{name: path + s.Index}, nil
		}
		if segment == "." || segment == ".." || !filepath.IsLocal(segment) {
			return notFound("has a segment that names no file")
		}
		end += 1 + len(segment)
		info, err := s.stat(path[1:end])
		switch {
		case err != nil:
			return notFound("does not exist, or leads out of the root: " + err.Error())
		case info.IsDir():
		case !info.Mode().IsRegular():
			return notFound("is no regular file")
		case !strings.HasSuffix(segment, s.Suffix):
			return notFound("is a file whose name does not end in " + s.Suffix)
		default:
			return script{path[:end], path[end:]}, nil
		}
	}
	if s.Index == "" {
		return notFound("is a folder")
	}
	return script{}, errFolder
}

// variables returns the variables of the script for the program.
func (s *Scripts) variables(env *gateway.Environ, found script) map[string]string {
	root := s.RemoteRoot
	if root == "" {
		// Abs fails only without a working directory, and Root is then absolute or wrong.
		root, _ = filepath.Abs(s.Root)
	}
	root = strings.TrimRight(root, "/")
	vars := map[string]string{
		"DOCUMENT_ROOT":   root,
		"SCRIPT_FILENAME": root + found.name,
		"SCRIPT_NAME":     env.Vars["SCRIPT_NAME"] + found.name,
		"PATH_INFO":       found.info,
		"PATH_TRANSLATED": "",
	}
	if found.info != "" && !hasDots(found.info) {
		vars["PATH_TRANSLATED"] = root + found.info
	}
	return vars
}

// hasDots reports whether a path has a segment that a file system resolves: it might climb out of
// the root.
func hasDots(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// serveScript serves a request through a program, for the script that the path leads to if scripts
// has a Root. protocolOf is given the path of the script, or "" if none was looked for.
func (o *Options) serveScript(
	env *gateway.Environ, start gateway.StartResponse, scripts *Scripts,
	protocolOf func(script string) protocol,
) (gateway.Body, error) {
	if scripts.Root == "" {
		return o.serve(env, start, protocolOf(""), nil)
	}
	found, err := scripts.find(env.Vars["PATH_INFO"])
	switch {
	case err == errFolder:
		return addSlash(env, start)
	case err != nil:
		x := &exchange{env: env, name: protocolOf("").name}
		return x.refuse(start, err)
	}
	p := protocolOf(filepath.Join(scripts.Root, filepath.FromSlash(found.name)))
	return o.serve(env, start, p, scripts.variables(env, found))
}

// addSlash sends the client to the path of a folder with its "/". The Location has no host, whose
// name and scheme a proxy in front may have changed.
func addSlash(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	to := env.Clone()
	to.Vars["PATH_INFO"] += "/"
	_, rest, _ := strings.Cut(to.URL(), "://")
	location := rest[strings.IndexByte(rest, '/'):]
	status := gateway.Status(301)
	_, err := start(status, gateway.Headers{{"Content-Type", "text/plain"}, {"Location", location}},
		nil)
	return gateway.Text(status + "\n"), err
}
