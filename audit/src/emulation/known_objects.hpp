// known_objects.hpp: what the model knows of objects in the guest: their origin, texts and numbers, how long they are,
// what dictionaries and objects hold. Keys are guest addresses; nothing here reads or writes the guest.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace interlock::auditing::emulation {

/// A method of an object of the interpreter's types, as an object.
struct BoundMethod {
    std::uint64_t self = 0;
    std::string name;
};

class KnownObjects {
public:
    // ---- where they come from ----
    /// "_cffi_backend", "module"; null for what is no object of this model.
    const std::string* origin(std::uint64_t object) const noexcept {
        const auto* found = value_of(origins_, object);
        return found == nullptr ? nullptr : *found;
    }
    void set_origin(std::uint64_t object, const std::string& origin) { origins_[object] = shared(origin); }
    /// The one text that is kept for all objects of an origin.
    const std::string* shared(const std::string& origin) { return &*origin_names_.insert(origin).first; }

    // ---- values ----
    /// Of a text object, an exception or its class; null if it is not known.
    const std::string* text(std::uint64_t object) const noexcept { return value_of(texts_, object); }
    bool has_text(std::uint64_t object) const { return texts_.contains(object); }
    void set_text(std::uint64_t object, std::string text) { texts_[object] = std::move(text); }
    /// Of an int object; null if it is not known.
    const std::uint64_t* number(std::uint64_t object) const noexcept { return value_of(numbers_, object); }
    void set_number(std::uint64_t object, std::uint64_t value) { numbers_[object] = value; }
    /// A number that says something of the world (the micro version): who asks for the value assumes it.
    void add_number_of_the_world(std::uint64_t object, std::string_view what) { world_numbers_[object] = what; }
    const std::string_view* what_number_says(std::uint64_t object) const noexcept {
        return value_of(world_numbers_, object);
    }
    /// "Kind: text", of an error that is kept as an object; null if it is not known.
    const std::string* error(std::uint64_t object) const noexcept { return value_of(errors_, object); }
    void set_error(std::uint64_t object, std::string error) { errors_[object] = std::move(error); }
    /// False when what is kept in all is too much.
    bool take_room(std::uint64_t bytes, std::uint64_t most) noexcept { return (room_taken_ += bytes) <= most; }
    /// Texts that are made up: in another run they may be what they are compared with.
    void add_made_up_text(std::uint64_t address) { made_up_texts_.insert(address); }
    bool is_made_up_text(std::uint64_t address) const { return made_up_texts_.contains(address); }

    // ---- kinds ----
    /// Lists, tuples and bytes of which the length, and so what they hold, is as it lies in memory.
    void know_length(std::uint64_t object) { sized_.insert(object); }
    void forget_length(std::uint64_t object) { sized_.erase(object); }
    bool has_known_length(std::uint64_t object) const { return sized_.contains(object); }
    void add_list(std::uint64_t object) {
        lists_.insert(object);
        sized_.insert(object);
    }
    bool is_list(std::uint64_t object) const { return lists_.contains(object); }
    /// Objects of classes of the module: they have the attributes that it gives them.
    void add_own(std::uint64_t object) { own_.insert(object); }
    void forget_own(std::uint64_t object) { own_.erase(object); }
    bool is_own(std::uint64_t object) const { return own_.contains(object); }
    /// Null for what is no such method.
    const BoundMethod* bound_method(std::uint64_t object) const noexcept { return value_of(bound_methods_, object); }
    void add_bound_method(std::uint64_t object, BoundMethod method) { bound_methods_[object] = std::move(method); }

    // ---- attributes, and what dictionaries hold ----
    /// The object whose `__dict__` this is; any other object is its own.
    std::uint64_t owner_of(std::uint64_t object) const noexcept {
        const std::uint64_t* owner = value_of(owners_, object);
        return owner == nullptr ? object : *owner;
    }
    /// `__dict__` of an object; 0 until it is made.
    std::uint64_t dict_of(std::uint64_t object) const noexcept {
        const std::uint64_t* dict = value_of(dicts_, object);
        return dict == nullptr ? 0 : *dict;
    }
    void set_dict(std::uint64_t object, std::uint64_t dict) {
        dicts_[object] = dict;
        owners_[dict] = object;
    }
    /// A dictionary that the module made, and nobody else has.
    void add_new_dict(std::uint64_t dict) { new_dicts_.insert(dict); }
    bool is_new_dict(std::uint64_t dict) const { return new_dicts_.contains(dict); }
    /// What was stored under this name in an owner, which is 0 for what was deleted; null if nothing was.
    const std::uint64_t* stored(std::uint64_t owner, const std::string& name) const noexcept {
        return value_of(attributes_, std::pair(owner, name));
    }
    void store(std::uint64_t owner, const std::string& name, std::uint64_t value) {
        attributes_[{owner, name}] = value;
    }
    /// Name and value of all that is there, in the order of the names.
    std::vector<std::pair<std::string, std::uint64_t>> all_stored(std::uint64_t owner) const {
        std::vector<std::pair<std::string, std::uint64_t>> all;
        for (auto at = attributes_.lower_bound({owner, ""}); at != attributes_.end() && at->first.first == owner; ++at)
            if (at->second != 0) all.emplace_back(at->first.second, at->second);
        return all;
    }
    /// Something that is not modelled may have stored something in this owner; in any.
    void open(std::uint64_t owner) { open_.insert(owner); }
    void open_all() noexcept { all_open_ = true; }
    bool is_open(std::uint64_t owner) const { return all_open_ || open_.contains(owner); }
    /// A dictionary has a key with functions of the module's own, which any look-up may call.
    void add_active_key(std::uint64_t dict) { active_keys_.insert(owner_of(dict)); }
    bool has_active_keys(std::uint64_t dict) const {
        return !active_keys_.empty() && active_keys_.contains(owner_of(dict));
    }

    // ---- modules ----
    /// An array of PyMethodDef.
    void add_functions(std::uint64_t module, std::uint64_t methods) { functions_[module].push_back(methods); }
    const std::vector<std::uint64_t>& functions_of(std::uint64_t module) const noexcept {
        static const std::vector<std::uint64_t> none;
        const auto* found = value_of(functions_, module);
        return found == nullptr ? none : *found;
    }
    /// PyState_AddModule(); 0 for a definition that has no module.
    void set_module_of(std::uint64_t definition, std::uint64_t module) { by_definition_[definition] = module; }
    void forget_module_of(std::uint64_t definition) { by_definition_.erase(definition); }
    std::uint64_t module_of(std::uint64_t definition) const noexcept {
        const std::uint64_t* module = value_of(by_definition_, definition);
        return module == nullptr ? 0 : *module;
    }

    // ---- texts that are being built (PyUnicodeWriter) ----
    void begin_text(std::uint64_t writer) { writers_[writer] = std::string(); }
    /// From nullopt on, and from a text that is too long on, it is not known.
    void append_text(std::uint64_t writer, const std::optional<std::string>& more, std::size_t longest) {
        std::optional<std::string>& text = writers_[writer];
        if (!more || (text && text->size() + more->size() > longest))
            text.reset();
        else if (text)
            *text += *more;
    }
    /// Nullopt: something of it is not known.
    std::optional<std::string> end_text(std::uint64_t writer) {
        const auto found = writers_.extract(writer);
        return found.empty() ? std::nullopt : std::move(found.mapped());
    }

private:
    template <typename Map, typename Key>
    static const typename Map::mapped_type* value_of(const Map& map, const Key& key) noexcept {
        const auto found = map.find(key);
        return found == map.end() ? nullptr : &found->second;
    }

    using Addresses = std::unordered_map<std::uint64_t, std::uint64_t>;
    std::set<std::string> origin_names_;
    std::unordered_map<std::uint64_t, const std::string*> origins_;
    std::unordered_map<std::uint64_t, std::string> texts_, errors_;
    std::uint64_t room_taken_ = 0;
    Addresses numbers_;
    std::unordered_map<std::uint64_t, std::string_view> world_numbers_;
    std::set<std::uint64_t> made_up_texts_, sized_, lists_, own_, active_keys_, new_dicts_, open_;
    bool all_open_ = false;
    std::unordered_map<std::uint64_t, BoundMethod> bound_methods_;
    Addresses owners_, dicts_;  ///< of dictionaries; and the other way round
    std::map<std::pair<std::uint64_t, std::string>, std::uint64_t> attributes_;
    std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> functions_;  ///< by module
    Addresses by_definition_;
    std::unordered_map<std::uint64_t, std::optional<std::string>> writers_;
};

}  // namespace interlock::auditing::emulation
