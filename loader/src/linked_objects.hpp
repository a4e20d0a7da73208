// linked_objects.hpp: the libraries that the dynamic linker has in this process, and which of them are new since a
// moment. The linker says only what there is, so what was there before is kept here.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <elf.h>
#include <link.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "loader/library_search.hpp"

namespace interlock::detail {

struct LinkedObject {
    ElfW(Addr) base = 0;
    const ElfW(Phdr) * segments = nullptr;
    std::string path;           ///< under which the linker opened it; empty for the program
    std::string soname;         ///< DT_SONAME
    std::string notes;          ///< the bytes of its note segments
    LibraryRef file = nullptr;  ///< as read from its path when its notes were these; null if it was not yet, or is gone
    std::uint64_t number = 0;   ///< in the order in which refresh() saw them
    bool claimed = false;       ///< an import has answered for it
};

/// In the linker's turn only.
class LinkedObjects {
public:
    /// Asks the linker. Costs next to nothing when nothing was mapped or unmapped. Throws std::bad_alloc, and is then
    /// as good as before.
    void refresh();
    const std::vector<LinkedObject>& all() const noexcept { return objects_; }
    /// Its file, which is read once for as long as it is mapped: what lies there later is another one. Null if there is
    /// none, or one that is not what is mapped.
    const LibraryRef& file_of(std::size_t object, LibraryFiles& files);
    /// The number of the next one that is seen.
    std::uint64_t next_number() const noexcept { return next_number_; }
    /// Those with this number and above that no import has answered for, which are then claimed, with their files; but
    /// for the one at `own_path`. refresh() before.
    std::vector<LinkedObject> claim_from(std::uint64_t number, const std::string& own_path, LibraryFiles& files);

private:
    struct Walk;
    static int visit(dl_phdr_info* info, std::size_t size, void* walk);
    void look_at(const dl_phdr_info& info);

    std::vector<LinkedObject> objects_;  // in the order of the linker's list
    std::size_t kept_ = 0;               // of them, that are still there, during a walk
    std::uint64_t next_number_ = 0;
    unsigned long long adds_ = 0, subs_ = 0;
    bool counted_ = false;  // the two are those of objects_
};

}  // namespace interlock::detail
