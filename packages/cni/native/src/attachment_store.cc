#include "attachment_store.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "cni_error.h"
#include "file.h"
#include "text.h"

namespace tartan {
namespace {

constexpr char kSeparator = '@';
constexpr mode_t kStateDirectoryMode = 0700;
constexpr mode_t kStateFileMode = 0600;
constexpr size_t kStateFileLimit = 16 * 1024 * 1024;
constexpr time_t kLeftoverSeconds = 3600;

bool SameFile(const std::string& left, const std::string& right) {
  struct stat a, b;
  return stat(left.c_str(), &a) == 0 && stat(right.c_str(), &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool IsOurLink(const std::string& path) {
  struct stat file;
  return stat(path.c_str(), &file) == 0 && file.st_nlink > 1;
}

// A convenience for going back to the original plugin: a file system without hard links is no reason to refuse a pod.
void TryLink(const std::string& from, const std::string& to) {
  if (link(from.c_str(), to.c_str()) == -1) errno = 0;
}

}  // namespace

std::string AttachmentStore::OwnPath(const Attachment& attachment) const {
  return PathOf(directory_, attachment.container_id + kSeparator + attachment.ifname);
}

std::string AttachmentStore::SharedPath(const Attachment& attachment) const {
  return PathOf(directory_, attachment.container_id);
}

void AttachmentStore::Save(const Attachment& attachment, const std::string& config) const {
  MakeDirectories(directory_, kStateDirectoryMode);
  const std::string own = OwnPath(attachment);
  const std::string shared = SharedPath(attachment);
  // Before the own file is replaced: afterwards nobody could tell whose the link is.
  if (SameFile(own, shared)) RemoveFile(shared);
  WriteAtomic(own, config, kStateFileMode);
  TryLink(own, shared);
}

std::optional<std::string> AttachmentStore::Load(const Attachment& attachment) const {
  const std::string shared = SharedPath(attachment);
  if (!attachment.ifname.empty()) {
    if (auto own = ReadIfThere(OwnPath(attachment), kStateFileLimit)) return own;
    if (IsOurLink(shared)) return std::nullopt;
  }
  return ReadIfThere(shared, kStateFileLimit);
}

void AttachmentStore::Remove(const Attachment& attachment) const {
  const std::string shared = SharedPath(attachment);
  const std::string own = OwnPath(attachment);
  const bool has_own = !attachment.ifname.empty() && access(own.c_str(), F_OK) == 0;
  if (!has_own) {
    if (!IsOurLink(shared)) RemoveFile(shared);
    return;
  }
  const bool held_link = SameFile(own, shared);
  // The link first: alone it would pass for the original plugin's.
  if (held_link) RemoveFile(shared);
  RemoveFile(own);
  if (held_link) PassOn(attachment);
}

void AttachmentStore::PassOn(const Attachment& removed) const {
  const std::string prefix = removed.container_id + kSeparator;
  for (const std::string& name : Names()) {
    if (name.compare(0, prefix.size(), prefix) == 0) return TryLink(PathOf(directory_, name), SharedPath(removed));
  }
}

std::vector<Attachment> AttachmentStore::List() const {
  const std::vector<std::string> names = Names();
  std::vector<Attachment> attachments;
  for (const std::string& name : names) {
    const size_t separator = name.find(kSeparator);
    if (separator != std::string::npos) {
      attachments.push_back({name.substr(0, separator), name.substr(separator + 1)});
    } else if (!IsOurLink(PathOf(directory_, name))) {
      attachments.push_back({name, ""});
    }
  }
  return attachments;
}

void AttachmentStore::RemoveLeftovers() const {
  DIR* directory = opendir(directory_.c_str());
  if (directory == nullptr) return;
  while (const dirent* entry = readdir(directory)) {
    const std::string path = PathOf(directory_, entry->d_name);
    struct stat file;
    if (!IsTemporaryName(entry->d_name) || stat(path.c_str(), &file) == -1) continue;
    if (file.st_mtim.tv_sec < time(nullptr) - kLeftoverSeconds) unlink(path.c_str());
  }
  closedir(directory);
}

// Sorted, without temporary files; empty when there is no directory yet.
std::vector<std::string> AttachmentStore::Names() const {
  DIR* directory = opendir(directory_.c_str());
  if (directory == nullptr && errno == ENOENT) return {};
  if (directory == nullptr) throw CniError(kIoFailure, WithErrno("open " + directory_, errno));
  std::vector<std::string> names;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.' && entry->d_type != DT_DIR) names.push_back(entry->d_name);
  }
  closedir(directory);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace tartan
