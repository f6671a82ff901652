// Files that others read while they are written, and that must survive a power cut.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace tartan {

// The whole content; nothing when there is no such file. Throws CniError with kIoFailure for every other failure, and for a file of
// more than `limit` bytes.
std::optional<std::string> ReadIfThere(const std::string& path, size_t limit);

// Everything that comes from a descriptor until its end. Throws as above.
std::string ReadAll(int fd, const std::string& what, size_t limit);

// Like mkdir -p, with `mode` on what is made. Throws CniError with kIoFailure.
void MakeDirectories(const std::string& path, mode_t mode);

// Puts `data` at `path` in one step and durably: temporary file in the same directory, fsync, rename, fsync of the directory. The
// temporary name starts with a dot, which neither a container ID nor a file that a runtime loads does. Throws CniError with
// kIoFailure, and leaves the old file as it was.
void WriteAtomic(const std::string& path, const std::string& data, mode_t mode);

// Makes renames, links and removals in a directory durable. A file system that has no such thing is not a failure.
void SyncDirectory(const std::string& path);

// Removes a file; one that is not there is as good. Throws CniError with kIoFailure.
void RemoveFile(const std::string& path);

// The part of a path before its last slash, "." without one.
std::string DirectoryOf(const std::string& path);

// The part behind the last slash.
std::string NameOf(const std::string& path);

// `directory/name`.
std::string PathOf(const std::string& directory, const std::string& name);

// True for names that WriteAtomic uses on its way.
bool IsTemporaryName(const std::string& name);

}  // namespace tartan
