// interpreter_objects.cpp: objects and variables of the modelled interpreter, as C code finds them in memory.
//
// SPDX-License-Identifier: MIT
#include "emulation/interpreter.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

#include <interlock/module.h>
#include <interlock/version.hpp>

#include "emulation/c_api_names.hpp"
#include "emulation/type_layout.hpp"

namespace interlock::auditing::emulation {

namespace {

constexpr std::uint64_t object_size = 256, data_size = 512, opaque_size = 512;
constexpr std::uint32_t table_entries = 512;
constexpr std::uint64_t max_texts = 16u << 20;

struct Characters {
    std::vector<std::uint32_t> all;
    std::uint32_t largest = 0;
};

// As count_references() leaves it.
bool is_counted(Interpreter& in, std::uint64_t object) {
    if (in.likely() || !in.model().free_threaded) return false;
    return in.guest().number(object + (in.word() == 8 ? 12 : 8), 4) == 1u;
}

// Of UTF-8; of anything else each byte is one.
Characters characters_of(const std::string& text) {
    Characters found;
    const auto add = [&](std::uint32_t one) {
        found.all.push_back(one);
        found.largest = std::max(found.largest, one);
    };
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    for (std::size_t i = 0; i < text.size();) {
        const unsigned first = byte(i);
        const unsigned more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
        bool valid = first < 0x80 || (more > 0 && first < 0xf8 && i + more < text.size());
        std::uint32_t one = more == 0 ? first : first & (0x3fu >> more);
        for (unsigned j = 1; valid && j <= more; ++j) {
            valid = (byte(i + j) & 0xc0) == 0x80;
            one = one << 6 | (byte(i + j) & 0x3f);
        }
        if (!valid) {
            found = {};
            for (const char c : text) add(static_cast<unsigned char>(c));
            return found;
        }
        add(one);
        i += more + 1;
    }
    return found;
}

}  // namespace

// ob_refcnt such that nothing is ever freed; ob_type.
void Interpreter::fill_head(std::uint64_t object, std::uint64_t type) {
    const unsigned size = word();
    if (model_.free_threaded) {
        guest_.set_number(object + (size == 8 ? 12 : 8), 0xffffffff, 4);  // ob_ref_local: immortal
        guest_.set_word(object + (size == 8 ? 24 : 16), type);
    } else {
        guest_.set_word(object, size == 8 ? 0xffffffff : 0x3fffffff);
        guest_.set_word(object + size, type);
    }
}

// As a new object has it: one reference, of this thread. It matters to nobody who only counts up and down.
void Interpreter::count_references(std::uint64_t object) {
    if (likely() || object == 0 || !model_.free_threaded) return;
    guest_.set_word(object, GuestMap::tls + GuestMap::tls_size / 2);  // ob_tid: the thread pointer
    guest_.set_number(object + (word() == 8 ? 12 : 8), 1, 4);
}

std::uint64_t Interpreter::new_object(const std::string& origin) {
    const std::uint64_t object = guest_.new_seen_object(object_size);
    if (object == 0) return 0;
    const std::array<std::uint8_t, 64> head{};
    guest_.write(object, head.data(), head_size());
    fill_head(object, generic_type_);
    count_references(object);
    if (!origin.empty()) objects_.set_origin(object, origin);
    return object;
}

std::uint64_t Interpreter::new_data(std::string_view name) {
    if (name.ends_with("_Type")) return named_type(name);
    const std::uint64_t data = guest_.new_object(data_size);
    if (data == 0) return 0;
    if (name.starts_with("PyExc_")) {  // a variable that holds an object
        guest_.set_word(data, error_type(std::string(name.substr(6))));
    } else if (name == "_Py_EllipsisObject") {
        give_type(data, "PyEllipsis_Type");
    } else if (name.ends_with("Object")) {
        const std::uint64_t object = new_object();
        objects_.set_text(object, std::string(name));
        guest_.set_word(data, object);
    } else if (name == "_Py_TrueStruct" || name == "_Py_FalseStruct") {
        give_type(data, "PyBool_Type");
        fill_number(data, name == "_Py_TrueStruct" ? 1 : 0, false);
    } else if (name == "__stack_chk_guard") {
        doubt("what the C library keeps of a thread");
        guest_.set_word(data, likely() ? 0x5bd1'e995'a7c3'f100 : 0xa42e'166a'583c'0e00);
    } else if (name.starts_with("vm_")) {
        const std::uint64_t page = image().architecture == image::Architecture::aarch64 ? 16384 : 4096;
        guest_.set_word(data, name == "vm_page_mask" ? page - 1 : page);
    } else if (name.ends_with("Struct")) {
        give_type(data, "NoneType");
    } else if (name.starts_with("_ZTV") || name.starts_with("_ZTI")) {
        for (unsigned i = 0; i < 16; ++i) guest_.set_word(data + i * word(), do_nothing_);
        guest_.set_word(data, 0);  // how far it is to the beginning of the object, or to a base class
    } else if (name.starts_with("_ZTT")) {
        // Tables of such tables, which begin in the middle: what lies before are distances.
        const std::uint64_t functions = guest_.new_object(data_size);
        for (unsigned i = 16; i < 48; ++i) guest_.set_word(functions + i * word(), do_nothing_);
        for (unsigned i = 0; i < 16; ++i) guest_.set_word(data + i * word(), functions + 16 * word());
    }
    return data;
}

std::uint64_t Interpreter::variable(std::string_view name) {
    if (const std::uint64_t known = known_import(name)) return known;
    const std::uint64_t made = new_data(name);
    stand_ins_.set_known(name, made);
    return made;
}

std::uint64_t Interpreter::new_function_table(const std::string& origin) {
    // The table can be called itself: capsules hold functions as well as tables.
    const std::string* name = objects_.shared(origin);
    const std::uint64_t table = stand_ins_.add_table(name);
    if (table == 0) return 0;
    for (std::uint32_t i = 0; i < table_entries; ++i) {
        const std::uint64_t function = add_stand_in({.origin = name, .entry = i, .entry_of_table = true});
        if (function == 0) return 0;
        guest_.set_word(table + std::uint64_t{i} * word(), function);
    }
    objects_.set_origin(table, origin);
    return table;
}

std::uint64_t Interpreter::new_module_object(MadeModule made) {
    const std::uint64_t module = new_object();
    give_type(module, "PyModule_Type");
    if (module == 0) return 0;
    record_.add_module(module, made);
    if (made.definition != 0)
        add_functions(module,
                      guest_.word(definition_field(made.definition, true) + 2 * std::uint64_t{word()}).value_or(0));
    return module;
}

void Interpreter::add_definition(std::uint64_t definition) {
    give_type(definition, "PyModuleDef_Type");
    record_.add_definition(definition);
}

bool Interpreter::is_definition(std::uint64_t object) {
    if (record_.has_definition(object)) return true;
    const std::uint64_t type = known_import("PyModuleDef_Type");
    const auto made = types_.find("PyModuleDef_Type");
    const auto own = guest_.word(object + head_size() - word());
    return own && *own != 0 && (*own == type || (made != types_.end() && *own == made->second));
}

void Interpreter::add_set_gil(std::uint64_t module, std::uint64_t value) {
    if (!record_.add_set_gil({module, value, guest_.return_address()})) give_up("more modules than the audit follows");
}

std::string Interpreter::text_of(std::uint64_t object) const {
    const std::string* known = objects_.text(object);
    return known == nullptr ? std::string() : *known;
}

void Interpreter::clear_results(unsigned first, unsigned count) {
    for (unsigned i = 0; i < count; ++i)
        if (const std::uint64_t place = argument(first + i)) guest_.set_word(place, 0);
}

// It may be used as a type: where one has its bases, there are tuples. All are the same, so each is a copy.
std::uint64_t Interpreter::opaque_object(const std::string& origin) {
    if (opaque_.empty()) fill_opaque();
    const std::uint64_t object = guest_.new_object(opaque_size);
    if (object == 0) return 0;
    guest_.write(object, opaque_.data(), opaque_.size());
    if (!origin.empty()) objects_.set_origin(object, origin);
    return object;
}

void Interpreter::fill_opaque() {
    using F = TypeField;
    const std::uint64_t object = guest_.new_object(opaque_size), sink = guest_.new_object(4096);
    for (const auto& [at, size] : {std::pair(object, opaque_size), std::pair(sink, std::uint64_t{4096})}) {
        fill_head(at, generic_type_);
        for (std::uint64_t field = 6 * word(); field < size; field += word()) guest_.set_word(at + field, sink);
    }
    const std::uint64_t base = named_type("PyBaseObject_Type");
    set_type_field(object, F::flags, TypeFlags::ready | TypeFlags::base_type);
    set_type_field(object, F::base, base);
    set_type_field(object, F::bases, new_tuple_of(std::array{base}));
    set_type_field(object, F::mro, new_tuple_of(std::array{generic_type_, base}));
    opaque_.resize(opaque_size);
    guest_.read(object, opaque_.data(), opaque_.size());
}

void Interpreter::keep_text(std::uint64_t object, std::string text) {
    if (!objects_.take_room(text.size(), max_texts)) return guest_.out_of_memory();
    objects_.set_text(object, std::move(text));
}

void Interpreter::make_capsule(std::uint64_t object) {
    if (const std::uint64_t* type = stand_ins_.known("PyCapsule_Type")) fill_head(object, *type);
}

void Interpreter::give_type(std::uint64_t object, std::string_view type) {
    if (type.empty()) return;
    const bool counted = is_counted(*this, object);
    fill_head(object, named_type(type));
    if (counted) count_references(object);
}

void Interpreter::give_own_type(std::uint64_t object, std::uint64_t type) {
    if (!guest_.word(type).has_value()) return;
    const bool counted = is_counted(*this, object);
    fill_head(object, type);
    if (counted) count_references(object);
}

std::uint64_t Interpreter::new_text_object(const std::string& text) {
    const std::uint64_t object = guest_.new_object(std::max<std::uint64_t>(object_size, 128 + 4 * text.size()));
    if (object == 0) return 0;
    give_type(object, "PyUnicode_Type");
    count_references(object);
    fill_text(object, text);
    keep_text(object, text);
    return object;
}

std::uint64_t Interpreter::shared_text(const std::string& text) {
    std::uint64_t& object = shared_texts_[text];
    if (object == 0) {
        object = new_text_object(text);
        fill_head(object, named_type("PyUnicode_Type"));  // which is never given back
    }
    return object;
}

// PyASCIIObject: length, hash, state, and the characters; PyCompactUnicodeObject has the length and the address of the
// text in UTF-8 before them. Before 3.12 there is one more field; nothing is known of these then.
void Interpreter::fill_text(std::uint64_t object, const std::string& text) {
    if (model_.minor < 12) return;
    const Characters characters = characters_of(text);
    const bool ascii = characters.largest < 0x80;
    const unsigned width = characters.largest < 0x100 ? 1 : characters.largest < 0x10000 ? 2 : 4, size = word();
    const bool byte_first = model_.free_threaded && model_.minor >= 14;  // whether it is interned has a byte of its own
    const bool apart =
        byte_first && image().format == image::Format::pe;  // where bits of another type begin a new word
    const std::uint64_t place = object + head_size();
    guest_.set_word(place, characters.all.size());
    guest_.set_word(place + size, likely() ? ~std::uint64_t{0} : 0x2a2a'2a2a);  // it may have been asked for
    const unsigned first = apart ? 0 : byte_first ? 8 : 2;
    const std::uint32_t state = image().little ? (width | 1u << 3 | (ascii ? 1u : 0) << 4) << first
                                               : (width << 2 | 1u << 1 | (ascii ? 1u : 0)) << (32 - first - 5);
    guest_.set_number(place + 2 * size + (apart ? 4 : 0), state, 4);
    std::uint64_t to = place + 2 * size + std::max(size, apart ? 8u : 4u);
    if (ascii) {
        guest_.write(to, text.data(), text.size());
        return;
    }
    to += 2 * size;
    for (std::size_t i = 0; i < characters.all.size(); ++i) guest_.set_number(to + i * width, characters.all[i], width);
}

// The small ones are the same object each time.
std::uint64_t Interpreter::new_number(std::uint64_t value, bool is_signed) {
    constexpr std::uint64_t below_zero = 5, above = 256;
    const bool small = value + below_zero <= above + below_zero && (is_signed || value <= above);
    if (!small) return new_large_number(value, is_signed);
    std::uint64_t& one = small_numbers_[value];
    if (one == 0) {
        one = new_large_number(value, is_signed);
        fill_head(one, named_type("PyLong_Type"));  // which is never given back
    }
    return one;
}

std::uint64_t Interpreter::new_large_number(std::uint64_t value, bool is_signed) {
    const std::uint64_t object = new_object();
    give_type(object, "PyLong_Type");
    fill_number(object, value, is_signed);
    return object;
}

// PyLongObject: the number of digits of 30 bits, with the sign (0 positive, 1 zero, 2 negative) in the lowest bits,
// then the digits. Before 3.12 the number of digits is negative for negative numbers.
void Interpreter::fill_number(std::uint64_t object, std::uint64_t value, bool is_signed) {
    objects_.set_number(object, value);
    const bool negative = is_signed && value >> 63 != 0;
    std::uint64_t rest = negative ? 0 - value : value, digits = 0;
    for (; rest != 0; rest >>= 30, ++digits)
        guest_.set_number(object + head_size() + word() + 4 * digits, rest & 0x3fffffff, 4);
    const std::uint64_t sign = digits == 0 ? 1 : negative ? 2 : 0;
    if (digits == 0) guest_.set_number(object + head_size() + word(), 0, 4);
    guest_.set_word(object + head_size(), model_.minor >= 12 ? digits << 3 | sign : negative ? 0 - digits : digits);
}

// PyBytesObject: ob_size, a hash, the bytes and a zero.
std::uint64_t Interpreter::new_bytes(std::uint64_t from, std::uint64_t size) {
    const std::uint64_t first = head_size() + 2 * std::uint64_t{word()};
    if (size > GuestMap::objects_size) {
        guest_.out_of_memory();
        return 0;
    }
    const std::uint64_t object = guest_.new_object(first + size + 1);
    if (object == 0) return 0;
    give_type(object, "PyBytes_Type");
    count_references(object);
    objects_.know_length(object);
    guest_.set_word(object + head_size(), size);
    guest_.set_word(object + head_size() + word(), ~std::uint64_t{0});
    std::vector<std::uint8_t> bytes(from == 0 ? 0 : size);
    if (!bytes.empty() && guest_.read(from, bytes.data(), size)) guest_.write(object + first, bytes.data(), size);
    return object;
}

std::uint64_t Interpreter::new_tuple(std::uint64_t count) {
    count = std::min(count, most_items);
    if (count == 0 && empty_tuple_ != 0) return empty_tuple_;
    const std::uint64_t tuple = guest_.new_object(head_size() + 2 * word() + count * word());
    if (tuple == 0) return 0;
    give_type(tuple, "PyTuple_Type");
    count_references(tuple);
    objects_.know_length(tuple);
    guest_.set_word(tuple + head_size(), count);
    if (count == 0) empty_tuple_ = tuple;
    return tuple;
}

std::uint64_t Interpreter::new_tuple_of(std::span<const std::uint64_t> items) {
    const std::uint64_t tuple = new_tuple(items.size());
    for (std::size_t i = 0; tuple != 0 && i < items.size(); ++i)
        guest_.set_word(tuple + head_size() + (i + 1) * word(), items[i]);
    return tuple;
}

// ---- errors ----

void Interpreter::raise(std::string error, std::uint64_t type) {
    record_.raise(std::move(error));
    raised_type_ = type;
    raised_object_ = 0;
}

std::uint64_t Interpreter::error_class() {
    if (record_.raised().empty()) return 0;
    if (raised_type_ != 0) return raised_type_;
    const std::string kind = record_.raised().substr(0, record_.raised().find(':'));
    return error_type(kind.find(' ') == std::string::npos ? kind : "Exception");
}

std::uint64_t Interpreter::take_error() {
    const std::uint64_t type = error_class();
    if (type == 0) return 0;
    std::uint64_t object = raised_object_;
    if (object == 0) {
        object = new_object();
        fill_head(object, type);
        keep_text(object, record_.raised().substr(0, record_.raised().find(':')));
    }
    if (!objects_.take_room(record_.raised().size(), max_texts)) guest_.out_of_memory();
    objects_.set_error(object, record_.raised());
    record_.raise({});
    return object;
}

void Interpreter::restore_error(std::uint64_t object) {
    if (object == 0) return raise({});
    const std::string* known = objects_.error(object);
    const std::uint64_t type = type_of(object);
    std::string kind = text_of(is_generic_type(type) ? object : type);
    if (kind.empty()) kind = "an exception";
    raise(known != nullptr ? *known : kind, is_generic_type(type) ? 0 : type);
    raised_object_ = object;
}

// What is in there is for the interpreter itself.
std::uint64_t Interpreter::new_state(std::string_view name) {
    const std::uint64_t state = add_variable_of_the_world(name);
    if (state == 0 || image().architecture == image::Architecture::s390x) assume("the state of the interpreter");
    return state != 0 ? state : guest_.new_object(4096);
}

std::uint64_t Interpreter::interpreter_state() {
    if (interpreter_state_ == 0) interpreter_state_ = new_state("the state of the interpreter");
    return interpreter_state_;
}

std::uint64_t Interpreter::thread_state() {
    if (thread_state_ == 0) {
        thread_state_ = new_state("the state of a thread");
        guest_.set_word(thread_state_ + 2 * std::uint64_t{word()}, interpreter_state());  // prev, next, interp
    }
    return thread_state_;
}

std::uint64_t Interpreter::new_interlock_host() {
    const std::uint64_t host = guest_.new_object(sizeof(il_host)), version = guest_.new_text(INTERLOCK_VERSION);
    guest_.set_word(host + offsetof(il_host, size), sizeof(il_host));
    guest_.set_number(host + offsetof(il_host, abi_version), IL_ABI_VERSION, sizeof(il_host::abi_version));
    guest_.set_word(host + offsetof(il_host, version), version);
    for (std::size_t offset = offsetof(il_host, raise); offset < sizeof(il_host); offset += sizeof(void*)) {
        const InterlockService service = interlock_service(offset);
        guest_.set_word(host + offset, add_stand_in({.name = service.name, .handler = service.function}));
    }
    return host;
}

std::uint64_t Interpreter::new_module() { return new_module_object({}); }

}  // namespace interlock::auditing::emulation

#endif
