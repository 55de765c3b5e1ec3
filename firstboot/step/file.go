package step

import "ringboot/firstboot/host"

// WantFile is the verdict on a file that must have one content.
func WantFile(f host.Files, path, want string) (Verdict, error) {
	have, err := host.ReadOptional(f, path)
	if err != nil {
		return Verdict{}, err
	}
	switch {
	case string(have) == want:
		return IsDone(""), nil
	case have == nil:
		return Do(path+" is missing", Change{Object: path, Want: "a new file"}), nil
	}
	return Do(path+" differs from the profile", Change{Object: path, Have: "other content", Want: "as the profile says"}), nil
}
