package middleware

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"example.com/gateway"
)

// Mount returns an application that hands each request to one of apps, by the path of the request:
//
//	app := middleware.Mount(map[string]gateway.Application{"/": site, "/git": repositories})
//
// A prefix matches whole segments of PATH_INFO. Of the prefixes that match, the longest counts. The
// prefix "" or "/" matches every path. "/git" matches the first three of these, and none of the
// others:
//
//	/git            SCRIPT_NAME "/git", PATH_INFO ""
//	/git/           SCRIPT_NAME "/git", PATH_INFO "/"
//	/git/x          SCRIPT_NAME "/git", PATH_INFO "/x"
//	/gitx, /Git, //git, /x/git, and OPTIONS *, whose PATH_INFO is empty
//
// A request that no prefix matches gets a 404, which says nothing of the path.
//
// Mount moves the prefix from PATH_INFO to the end of SCRIPT_NAME, as [gateway.Environ.ShiftPath]
// moves one segment: SCRIPT_NAME + PATH_INFO stays the same. The application gets a clone of the
// Environ, and may change that one alone. Input, Errors and the Context are the same. REQUEST_URI
// stays the raw target. PATH_TRANSLATED is left out if a prefix is moved: it is the file of the
// whole PATH_INFO (RFC 3875, 4.1.6), and only the web server knows the file of the rest.
//
// PATH_INFO is decoded. So a prefix is written decoded, like "/a b", and a slash that the client
// has encoded is a slash: /git%2Fx is for "/git". Mount resolves neither "." nor "..": the request
// for /git/../x goes to the application of "/git", with PATH_INFO "/../x". Middleware that sets the
// paths, such as that of package quirks, goes around Mount, and not between Mount and an
// application.
//
// Mount panics for a prefix that does not start with a slash, ends with one, or has an empty
// segment, a "." or a "..", for "" beside "/", and for an application that is nil. It keeps no
// reference to apps. The returned application may be called concurrently if all of apps may.
func Mount(apps map[string]gateway.Application) gateway.Application {
	list := make(mounts, 0, len(apps))
	for _, prefix := range slices.Sorted(maps.Keys(apps)) { // of two faults, the same one panics
		if why := refusal(prefix, apps); why != "" {
			panic("middleware: Mount: " + why)
		}
		list = append(list, mount{strings.TrimSuffix(prefix, "/"), apps[prefix]})
	}
	slices.SortStableFunc(list, func(a, b mount) int { return len(b.prefix) - len(a.prefix) })
	return list
}

// refusal says why Mount does not take a prefix and its application, and what to change. It returns
// "" if Mount takes them.
func refusal(prefix string, apps map[string]gateway.Application) string {
	quoted := "the prefix " + strconv.Quote(prefix)
	app := apps[prefix]
	if f, isFunc := app.(gateway.ApplicationFunc); app == nil || isFunc && f == nil {
		return quoted + " has a nil application: give it one, or leave the prefix out"
	}
	if prefix == "/" {
		if _, isTwice := apps[""]; isTwice {
			return quoted + ` is the same as "": leave one of the two out`
		}
		return ""
	}
	if prefix == "" {
		return ""
	}
	if prefix[0] != '/' {
		return quoted + " does not start with a slash: write " + strconv.Quote("/"+prefix)
	}
	if strings.HasSuffix(prefix, "/") {
		return quoted + " ends with a slash: leave it out, the path may have one all the same"
	}
	for segment := range strings.SplitSeq(prefix[1:], "/") {
		switch segment {
		case "":
			return quoted + " has an empty segment: write one slash there"
		case ".", "..":
			return quoted + " has the segment " + strconv.Quote(segment) +
				", which Mount does not resolve: write the path without it"
		}
	}
	return ""
}

// A mount is an application and where it is mounted: "" or "/git".
type mount struct {
	prefix string
	app    gateway.Application
}

// mounts are sorted, the longest prefix first.
type mounts []mount

// Call implements gateway.Application.
func (list mounts) Call(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	path := env.Vars["PATH_INFO"]
	for i := range list {
		m := &list[i]
		if m.prefix == "" {
			return m.app.Call(env.Clone(), start)
		}
		rest, found := strings.CutPrefix(path, m.prefix)
		if !found || rest != "" && rest[0] != '/' {
			continue
		}
		env = env.Clone()
		env.Vars["SCRIPT_NAME"] += m.prefix
		env.Vars["PATH_INFO"] = rest
		delete(env.Vars, "PATH_TRANSLATED")
		return m.app.Call(env, start)
	}
	return answer(404, start)
}

// answer makes the response that has the status of a code and nothing else.
func answer(code int, start gateway.StartResponse) (gateway.Body, error) {
	status := gateway.Status(code)
	_, err := start(status, plain, nil)
	return gateway.Text(status + "\n"), err
}

var plain = gateway.Headers{{"Content-Type", "text/plain"}}
