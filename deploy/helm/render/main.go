// Renders a Helm chart without Helm: the same template engine (Go's text/template with sprig) and the functions that Helm adds and
// our chart uses. For tests on machines that have no helm; `helm template` does the same and more.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run deploy/helm/render/main.go CHART RELEASE NAMESPACE [VALUES.yaml ...]
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"github.com/xeipuuv/gojsonschema"
	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: render CHART RELEASE NAMESPACE [VALUES.yaml ...]")
		os.Exit(2)
	}
	if err := render(os.Args[1], os.Args[2], os.Args[3], os.Args[4:]); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func render(chart, release, namespace string, valueFiles []string) error {
	metadata, err := readYaml(filepath.Join(chart, "Chart.yaml"))
	if err != nil {
		return err
	}
	values, err := readYaml(filepath.Join(chart, "values.yaml"))
	if err != nil {
		return err
	}
	for _, file := range valueFiles {
		override, err := readYaml(file)
		if err != nil {
			return err
		}
		coalesce(values, override)
	}
	if err := checkSchema(filepath.Join(chart, "values.schema.json"), values); err != nil {
		return fmt.Errorf("%v: %w", metadata["name"], err)
	}
	data := map[string]interface{}{
		"Values":  values,
		"Chart":   exported(metadata),
		"Release": map[string]interface{}{"Name": release, "Namespace": namespace, "Service": "Helm"},
	}
	return execute(filepath.Join(chart, "templates"), data)
}

// checkSchema does what Helm does before it renders, with the same library (pkg/chartutil/jsonschema.go).
func checkSchema(file string, values map[string]interface{}) error {
	schema, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	result, err := gojsonschema.Validate(gojsonschema.NewBytesLoader(schema), gojsonschema.NewGoLoader(values))
	if err != nil {
		return err
	}
	if result.Valid() {
		return nil
	}
	lines := []string{"values don't meet the specifications of the schema"}
	for _, problem := range result.Errors() {
		lines = append(lines, "- "+problem.String())
	}
	return errors.New(strings.Join(lines, "\n"))
}

// exported gives the members of Chart.yaml the names by which templates know them: appVersion is .Chart.AppVersion.
func exported(metadata map[string]interface{}) map[string]interface{} {
	out := map[string]interface{}{}
	for name, value := range metadata {
		out[strings.ToUpper(name[:1])+name[1:]] = value
	}
	return out
}

func execute(folder string, data map[string]interface{}) error {
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		return err
	}
	sort.Strings(files)
	root := template.New("chart").Option("missingkey=zero")
	root.Funcs(functions(root))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if _, err := root.New(filepath.Base(file)).Parse(string(text)); err != nil {
			return err
		}
	}
	for _, file := range files {
		name := filepath.Base(file)
		if strings.HasPrefix(name, "_") || !strings.HasSuffix(name, ".yaml") {
			continue
		}
		var out bytes.Buffer
		if err := root.ExecuteTemplate(&out, name, data); err != nil {
			return err
		}
		// Helm prints "<no value>" as nothing (pkg/engine).
		text := strings.ReplaceAll(out.String(), "<no value>", "")
		if strings.TrimSpace(text) != "" {
			fmt.Printf("---\n# Source: %s\n%s\n", name, strings.TrimSpace(text))
		}
	}
	return nil
}

// functions: sprig's, without what Helm leaves out, and what Helm adds.
func functions(root *template.Template) template.FuncMap {
	all := sprig.TxtFuncMap()
	delete(all, "env")
	delete(all, "expandenv")
	all["include"] = func(name string, data interface{}) (string, error) {
		var out bytes.Buffer
		err := root.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	all["toYaml"] = func(value interface{}) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(text), "\n"), err
	}
	all["fromYaml"] = func(text string) (map[string]interface{}, error) {
		out := map[string]interface{}{}
		err := yaml.Unmarshal([]byte(text), &out)
		return out, err
	}
	all["required"] = func(message string, value interface{}) (interface{}, error) {
		if value == nil || value == "" {
			return nil, fmt.Errorf("%s", message)
		}
		return value, nil
	}
	return all
}

func readYaml(file string) (map[string]interface{}, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	out := map[string]interface{}{}
	if err := yaml.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return out, nil
}

// coalesce puts one values file over another: maps are merged, everything else is replaced, null deletes.
func coalesce(base, override map[string]interface{}) {
	for name, value := range override {
		inner, isMap := value.(map[string]interface{})
		present, wasMap := base[name].(map[string]interface{})
		switch {
		case value == nil:
			delete(base, name)
		case isMap && wasMap:
			coalesce(present, inner)
		default:
			base[name] = value
		}
	}
}
