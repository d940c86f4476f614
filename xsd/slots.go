package xsd

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// Slots remembers, across the death of the process, which documents libxml2 was reading: a document that was being read
// at two deaths is refused from then on. Once is not enough: a process killed from outside leaves innocent documents
// behind, and an agency's notice, sent again byte for byte, must not be lost to a bad moment. The file holds 256 slots of
// one SHA-256 each, mapped into memory, so that a digest written there survives SIGKILL without a system call; behind
// them, one digest for each death it was found at.
type Slots struct {
	file    *os.File
	memory  []byte
	free    chan int
	strikes map[[sha256.Size]byte]int
}

const (
	mostStrikes = 2 // deaths at which a document was being read, before it is refused
	slotCount   = 256
	slotsSize   = slotCount * sha256.Size
)

// OpenSlots opens or creates the slot file at path. One process at a time may hold it.
func OpenSlots(path string) (*Slots, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("slot file: %w", err)
	}
	s := &Slots{file: file, free: make(chan int, slotCount), strikes: map[[sha256.Size]byte]int{}}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("slot file %s: %w", path, errors.Join(err, file.Close()))
	}
	for slot := range slotCount {
		s.free <- slot
	}
	return s, nil
}

func (s *Slots) open() error {
	descriptor := int(s.file.Fd())
	if err := syscall.Flock(descriptor, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("held by another process: %w", err)
	}
	if info, err := s.file.Stat(); err != nil {
		return err
	} else if info.Size() < slotsSize {
		if err := s.file.Truncate(slotsSize); err != nil {
			return err
		}
	}
	if err := s.poison(); err != nil {
		return err
	}
	memory, err := syscall.Mmap(descriptor, 0, slotsSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	clear(memory)
	s.memory = memory
	return nil
}

// poison learns what earlier processes left and appends what the last one left, before the slots are cleared.
func (s *Slots) poison() error {
	content, err := io.ReadAll(s.file)
	if err != nil {
		return err
	}
	end := len(content) - len(content)%sha256.Size
	found := map[[sha256.Size]byte]bool{}
	var left []byte
	for at := 0; at < end; at += sha256.Size {
		digest := [sha256.Size]byte(content[at:])
		if digest == ([sha256.Size]byte{}) || at < slotsSize && found[digest] {
			continue
		}
		s.strikes[digest]++
		if at < slotsSize {
			found[digest] = true
			left = append(left, digest[:]...)
		}
	}
	if _, err := s.file.WriteAt(left, int64(end)); err != nil {
		return err
	}
	return s.file.Sync()
}

// Poisoned is how many digests are refused.
func (s *Slots) Poisoned() (count int) {
	for _, strikes := range s.strikes {
		if strikes >= mostStrikes {
			count++
		}
	}
	return count
}

// Close gives the file free. No schema may use s any more.
func (s *Slots) Close() error {
	return errors.Join(syscall.Munmap(s.memory), s.file.Close())
}

// take waits for a free slot and leaves digest in it.
func (s *Slots) take(digest [sha256.Size]byte) (int, *GuardError) {
	if s.strikes[digest] >= mostStrikes {
		return 0, &GuardError{Code: "xml.poisoned"}
	}
	slot := <-s.free
	copy(s.memory[slot*sha256.Size:], digest[:])
	return slot, nil
}

func (s *Slots) release(slot int) {
	clear(s.memory[slot*sha256.Size : (slot+1)*sha256.Size])
	s.free <- slot
}
