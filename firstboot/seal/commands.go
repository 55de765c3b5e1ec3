package seal

import (
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
)

// primary makes the storage key of the machine's owner, from the template of the
// TCG: the same key each time, for as long as the TPM is not cleared.
func primary(t transport.TPM) (key tpm2.NamedHandle, public tpm2.TPMTPublic, err error) {
	made, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(tpm2.ECCSRKTemplate)}.Execute(t)
	if err != nil {
		return key, public, fmt.Errorf("storage key of the TPM: %w", err)
	}
	key = tpm2.NamedHandle{Handle: made.ObjectHandle, Name: made.Name}
	p, err := made.OutPublic.Contents()
	if err != nil {
		flush(t, key.Handle)
		return key, public, fmt.Errorf("storage key of the TPM: %w", err)
	}
	return key, *p, nil
}

// flush takes an object out of the TPM; the kernel does it where this fails.
func flush(t transport.TPM, h tpm2.TPMHandle) {
	_, _ = tpm2.FlushContext{FlushHandle: h}.Execute(t)
}

// wrapped has the secret not cross the wires to the TPM in the clear: what goes
// in is wrapped, or what comes out.
func wrapped(key tpm2.NamedHandle, public tpm2.TPMTPublic, out bool) tpm2.Session {
	way := tpm2.EncryptIn
	if out {
		way = tpm2.EncryptOut
	}
	return tpm2.HMAC(tpm2.TPMAlgSHA256, 16, tpm2.AESEncryption(128, way), tpm2.Salted(key.Handle, public))
}

func create(t transport.TPM, secret []byte) (Sealed, error) {
	key, public, err := primary(t)
	if err != nil {
		return Sealed{}, err
	}
	defer flush(t, key.Handle)
	made, err := tpm2.Create{
		ParentHandle: tpm2.AuthHandle{Handle: key.Handle, Name: key.Name, Auth: wrapped(key, public, false)},
		InSensitive:  tpm2.TPM2BSensitiveCreate{Sensitive: &tpm2.TPMSSensitiveCreate{Data: tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: secret})}},
		InPublic: tpm2.New2B(tpm2.TPMTPublic{Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256,
			ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, UserWithAuth: true, NoDA: true}}),
	}.Execute(t)
	if err != nil {
		return Sealed{}, fmt.Errorf("seal with the TPM: %w", err)
	}
	return Sealed{Public: made.OutPublic.Bytes(), Private: made.OutPrivate.Buffer}, nil
}

func unseal(t transport.TPM, s Sealed) ([]byte, error) {
	key, public, err := primary(t)
	if err != nil {
		return nil, err
	}
	defer flush(t, key.Handle)
	item, err := tpm2.Load{
		ParentHandle: tpm2.AuthHandle{Handle: key.Handle, Name: key.Name, Auth: tpm2.PasswordAuth(nil)},
		InPrivate:    tpm2.TPM2BPrivate{Buffer: s.Private}, InPublic: tpm2.BytesAs2B[tpm2.TPMTPublic](s.Public),
	}.Execute(t)
	if errors.Is(err, tpm2.TPMRCIntegrity) {
		return nil, ErrForeign
	}
	if err != nil {
		return nil, fmt.Errorf("load what the TPM sealed: %w", err)
	}
	defer flush(t, item.ObjectHandle)
	out, err := tpm2.Unseal{ItemHandle: tpm2.AuthHandle{Handle: item.ObjectHandle, Name: item.Name, Auth: wrapped(key, public, true)}}.Execute(t)
	if err != nil {
		return nil, fmt.Errorf("open what the TPM sealed: %w", err)
	}
	return out.OutData.Buffer, nil
}
