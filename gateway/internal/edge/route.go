package edge

import (
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// route is one HTTP rule. It serves the Allow header alone; the generated code routes.
type route struct {
	method, path string
	// segments are literals, or "" for one that varies; verb follows the last one.
	segments  []string
	verb      string
	variables []string
	// streams says that the answer is a file.
	streams bool
}

// routesOf returns the routes of a rule, the additional ones included.
func routesOf(http *annotations.HttpRule) []route {
	var method, path string
	switch {
	case http.GetGet() != "":
		method, path = "GET", http.GetGet()
	case http.GetPost() != "":
		method, path = "POST", http.GetPost()
	case http.GetPut() != "":
		method, path = "PUT", http.GetPut()
	case http.GetPatch() != "":
		method, path = "PATCH", http.GetPatch()
	case http.GetDelete() != "":
		method, path = "DELETE", http.GetDelete()
	default:
		return nil
	}
	r := route{method: method, path: path}
	if i := strings.LastIndexByte(path, ':'); i > strings.LastIndexByte(path, '/') {
		path, r.verb = path[:i], path[i+1:]
	}
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if strings.HasPrefix(segment, "{") {
			r.variables = append(r.variables, strings.Trim(segment, "{}"))
			segment = ""
		}
		r.segments = append(r.segments, segment)
	}
	routes := []route{r}
	for _, more := range http.GetAdditionalBindings() {
		routes = append(routes, routesOf(more)...)
	}
	return routes
}

// allRoutes returns the routes of all methods.
func allRoutes(services []protoreflect.ServiceDescriptor) []route {
	var routes []route
	for _, service := range services {
		methods := service.Methods()
		for i := range methods.Len() {
			http, _ := proto.GetExtension(methods.Get(i).Options(), annotations.E_Http).(*annotations.HttpRule)
			of := routesOf(http)
			for j := range of {
				of[j].streams = methods.Get(i).IsStreamingServer()
			}
			routes = append(routes, of...)
		}
	}
	return routes
}

// allowed returns the HTTP methods that a path takes, sorted.
func allowed(routes []route, path string) []string {
	var methods []string
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for _, r := range routes {
		if r.matches(segments) && !slices.Contains(methods, r.method) {
			methods = append(methods, r.method)
		}
	}
	slices.Sort(methods)
	return methods
}

func (r route) matches(segments []string) bool {
	if len(segments) != len(r.segments) {
		return false
	}
	for i, segment := range segments {
		if i == len(segments)-1 && r.verb != "" {
			var ok bool
			if segment, ok = strings.CutSuffix(segment, ":"+r.verb); !ok {
				return false
			}
		}
		if segment == "" || r.segments[i] != "" && r.segments[i] != segment {
			return false
		}
	}
	return true
}
