// What was handed to the delegate, kept until the delegate has deleted it: DEL must work when subnet.env and the network config have
// changed or gone.
//
//   <dataDir>/<container ID>@<interface>   one attachment; '@' cannot be part of a container ID
//   <dataDir>/<container ID>               the original plugin's name, for one attachment per container: a hard link to the above
//
// The link lets the original plugin delete what we added. A file of that name with no second link was written by the original, and
// serves whatever interface is asked about, as it does there. Two attachments of a container do not disturb each other: the
// link stays with one of them, and passes to another when that one is deleted.
//
// Calls for different containers may run at once. For one container the runtime keeps them in order (CNI specification, section 2).
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace tartan {

struct Attachment {
  std::string container_id;
  // "" for what the original plugin left: it does not record the interface.
  std::string ifname;
};

class AttachmentStore {
 public:
  explicit AttachmentStore(std::string directory) : directory_(std::move(directory)) {}

  // Durable when it returns; files are 0600, the directory is made with 0700. Replaces what was there for the attachment.
  void Save(const Attachment& attachment, const std::string& config) const;

  // Nothing when the attachment is not known.
  std::optional<std::string> Load(const Attachment& attachment) const;

  // One that is not there is as good.
  void Remove(const Attachment& attachment) const;

  // Every attachment on this node, of all networks that share the directory.
  std::vector<Attachment> List() const;

  // Removes temporary files that writers left behind when they were killed, an hour ago or more.
  void RemoveLeftovers() const;

 private:
  std::string OwnPath(const Attachment& attachment) const;
  std::string SharedPath(const Attachment& attachment) const;
  std::vector<std::string> Names() const;
  void PassOn(const Attachment& removed) const;

  std::string directory_;
};

}  // namespace tartan
