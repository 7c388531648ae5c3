package form

import (
	"errors"
	"strings"

	"example.com/gateway"
	"example.com/gateway/internal/header"
)

// parseHead sets the fields of p by the part's headers, each of which ends with CR LF.
func (p *Part) parseHead(head string) error {
	p.Header = make(gateway.Headers, 0, 2) // Content-Disposition, and a file's Content-Type
	for head != "" {
		var line string
		line, head, _ = strings.Cut(head, "\r\n")
		if header.HasControl(line, true) {
			return errors.New("a header has a control character")
		}
		if strings.TrimLeft(line, blanks) != line {
			return errors.New("a header goes on in a second line")
		}
		name, value, found := strings.Cut(line, ":")
		if !found || !header.IsToken(name) {
			return errors.New("this is no header: " + header.Quote(line))
		}
		p.Header = append(p.Header, [2]string{name, strings.Trim(value, blanks)})
	}
	for _, name := range []string{"Content-Disposition", "Content-Type",
		"Content-Transfer-Encoding"} {
		n := 0
		for range p.Header.Values(name) {
			n++
		}
		if n > 1 {
			return errors.New("there are two headers " + name)
		}
	}
	switch encoding := p.Header.Get("Content-Transfer-Encoding"); strings.ToLower(encoding) {
	case "", "binary", "8bit", "7bit":
	default:
		return errors.New("the Content-Transfer-Encoding is " + header.Quote(encoding))
	}
	return p.parseDisposition(p.Header.Get("Content-Disposition"))
}

// parseDisposition sets Name and FileName by the value of Content-Disposition.
func (p *Part) parseDisposition(value string) error {
	n := tokenSize(value)
	if !strings.EqualFold(value[:n], "form-data") {
		return errors.New("there is no Content-Disposition: form-data")
	}
	var buf [maxParameters]parameter
	list, err := appendParameters(buf[:0], value[n:])
	if err != nil {
		return errors.New("Content-Disposition: " + err.Error())
	}
	var hasName, hasFileName, isStarred bool
	var fileName string
	for _, param := range list {
		switch {
		case strings.EqualFold(param.name, "name"):
			p.Name, hasName = param.value, true
		case strings.EqualFold(param.name, "filename"):
			fileName, hasFileName = param.value, true
		case hasPrefixFold(param.name, "filename*"):
			isStarred = true
		}
	}
	switch {
	case !hasName:
		return errors.New("Content-Disposition: there is no name")
	case isStarred && !hasFileName:
		return errors.New("Content-Disposition: there is a filename* without a filename")
	case fileName == "":
		return nil
	}
	p.FileName = fileName[strings.LastIndexAny(fileName, `/\`)+1:]
	switch p.FileName {
	case "", ".", "..":
		return errors.New("Content-Disposition: this is no file's name: " + header.Quote(fileName))
	}
	return nil
}
