package sops

import (
	"fmt"
	"strings"
)

// NotEncryptedError is a file without the metadata of SOPS: whatever is in it can
// be read by everybody.
type NotEncryptedError struct{ File string }

func (e *NotEncryptedError) Error() string {
	return fmt.Sprintf("the file %q is not encrypted: it has no sops metadata", e.File)
}

// Hint tells how to encrypt it.
func (e *NotEncryptedError) Hint() string {
	return fmt.Sprintf("run sops encrypt --in-place %s; when it was ever committed or shared, its values are known: change them", e.File)
}

// FormatError is a file that is not what its name or its metadata says.
type FormatError struct {
	File   string
	Format string // "yaml", "json", "dotenv", "ini", or "sops" for its metadata
	Err    error
}

func (e *FormatError) Error() string {
	if e.Format == "sops" {
		return fmt.Sprintf("the metadata of SOPS in the file %q is broken: %v", e.File, e.Err)
	}
	return fmt.Sprintf("the file %q is no %s: %v", e.File, e.Format, e.Err)
}

// Unwrap gives the cause.
func (e *FormatError) Unwrap() error { return e.Err }

// Hint tells where the format comes from.
func (e *FormatError) Hint() string {
	if e.Format == "sops" {
		return "take the file from where it was encrypted, or encrypt it again"
	}
	return "the extension says the format: .yaml, .json, .env, .ini, and of any other a file encrypted as a whole"
}

// NoValueError is a value that a file does not have.
type NoValueError struct {
	File, Key string
	Near      string   // the name that was probably meant, or ""
	Below     []string // the values that the key leads to, when it is a map or a list
	Several   bool     // the key leads to more than one
	Null      bool     // there is one, which is null
}

func (e *NoValueError) Error() string {
	switch {
	case e.Key == "":
		return fmt.Sprintf("the file %q has values by name, and no name is given", e.File)
	case e.Several:
		return fmt.Sprintf("the file %q has more than one value %q", e.File, e.Key)
	case e.Null:
		return fmt.Sprintf("the value %q of the file %q is null", e.Key, e.File)
	case len(e.Below) > 0:
		return fmt.Sprintf("%q of the file %q is not one value, it has several below it", e.Key, e.File)
	}
	return fmt.Sprintf("the file %q has no value %q", e.File, e.Key)
}

// Hint names the value that was probably meant.
func (e *NoValueError) Hint() string {
	switch {
	case len(e.Below) > 0:
		return "name one of them: " + strings.Join(e.Below[:min(len(e.Below), 5)], ", ")
	case e.Near != "":
		return fmt.Sprintf("did you mean %q?", e.Near)
	case e.Several:
		return "give one of them another name"
	}
	return ""
}

// InClearError is a value that a file should hold encrypted and does not: somebody
// wrote it without the sops program.
type InClearError struct{ File, Key string }

func (e *InClearError) Error() string {
	return fmt.Sprintf("the value %q of the file %q is not encrypted: it was written without sops", e.Key, e.File)
}

// Hint tells how to write it.
func (e *InClearError) Hint() string {
	return fmt.Sprintf("write values with sops edit %s; when the file was ever committed or shared, this one is known: change it", e.File)
}

// NoKeyError is a file that none of the keys found opens.
type NoKeyError struct {
	File       string
	Recipients []string // whom it is encrypted for, with the key service when it is not age
	Tried      int      // how many age keys were tried
	Looked     []string // where keys were looked for
	Failed     []error  // places that have keys which could not be read
}

func (e *NoKeyError) Error() string {
	text := fmt.Sprintf("no key opens the file %q: ", e.File)
	switch e.Tried {
	case 0:
		text += "no age key was found in " + strings.Join(e.Looked, ", ")
	case 1:
		text += "the one age key found is not one of its recipients"
	default:
		text += fmt.Sprintf("none of the %d age keys found is one of its recipients", e.Tried)
	}
	for _, err := range e.Failed {
		text += "; " + err.Error()
	}
	return text
}

// Unwrap gives why keys could not be read.
func (e *NoKeyError) Unwrap() []error { return e.Failed }

// Hint names the recipients.
func (e *NoKeyError) Hint() string {
	return "it is encrypted for " + strings.Join(e.Recipients, ", ") + ": give the key of one in SOPS_AGE_KEY_FILE or SOPS_AGE_KEY, or let one of them add yours with sops rotate --add-age"
}

// NeedsProgramError is a file that only the sops program can decrypt, where it is
// not installed.
type NeedsProgramError struct {
	File string
	Why  string // "its keys are in AWS KMS"
}

func (e *NeedsProgramError) Error() string {
	return fmt.Sprintf("the file %q needs the sops program, which is not in PATH: %s", e.File, e.Why)
}

// Hint tells the two ways out.
func (e *NeedsProgramError) Hint() string {
	return fmt.Sprintf("install it (https://getsops.io), or add an age key to the file: sops rotate --in-place --add-age age1… %s", e.File)
}

// ProgramError is the sops program not decrypting a file.
type ProgramError struct {
	File string
	Code int    // its exit code; -1 when it did not run
	Said string // why it found no key; its other words may hold values
}

func (e *ProgramError) Error() string {
	text := fmt.Sprintf("sops does not decrypt the file %q (exit code %d)", e.File, e.Code)
	if e.Said != "" {
		text += ": " + e.Said
	}
	return text
}

// Hint tells how to see why.
func (e *ProgramError) Hint() string {
	return fmt.Sprintf("try it: sops decrypt %s", e.File)
}

// ChangedError is a file that was changed after it was encrypted, and not by the
// sops program.
type ChangedError struct {
	File string
	Key  string // the value that does not belong where it is; "" when it is not known which
}

func (e *ChangedError) Error() string {
	if e.Key != "" {
		return fmt.Sprintf("the value %q of the file %q cannot be decrypted: it was changed, moved or renamed without sops", e.Key, e.File)
	}
	return fmt.Sprintf("the file %q was changed without sops: its message authentication code is not that of its values", e.File)
}

// Hint tells how to change it.
func (e *ChangedError) Hint() string {
	return fmt.Sprintf("undo the change, and make it with sops edit %s", e.File)
}
