// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../interfaces/IConsentRegistry.sol";

/// @notice One consent: from (40 bits, lowest), to (40), purposes (32), categories (64), epoch (32), flags (16), serial (32).
type ConsentWord is uint256;

using ConsentWords for ConsentWord global;

/// @title The word that holds one consent
library ConsentWords {
    uint16 internal constant POLICY = 1;
    uint16 internal constant BY_DELEGATE = 2;
    uint16 internal constant IN_CUSTODY = 4;
    uint16 internal constant EMERGENCY = 8;

    uint256 internal constant TERMS = (1 << 176) - 1;
    /// @dev Time of a consent without end.
    uint40 internal constant OPEN_END = type(uint40).max;

    function pack(uint40 from_, uint40 to_, uint32 purposes_, uint64 categories_) internal pure returns (ConsentWord) {
        return ConsentWord.wrap(
            uint256(from_) | (uint256(to_) << 40) | (uint256(purposes_) << 80) | (uint256(categories_) << 112)
        );
    }

    /// @dev The terms alone are kept; epoch, flags and serial are set.
    function sealedWith(ConsentWord word, uint32 epoch_, uint16 flags_, uint32 serial_)
        internal
        pure
        returns (ConsentWord)
    {
        return ConsentWord.wrap(
            (ConsentWord.unwrap(word) & TERMS) | (uint256(epoch_) << 176) | (uint256(flags_) << 208)
                | (uint256(serial_) << 224)
        );
    }

    /// @dev Permits nothing; what was signed up to now cannot take its place.
    function tombstone(ConsentWord word) internal view returns (ConsentWord) {
        uint32 now_ = uint32(block.timestamp);
        return ConsentWord.wrap(uint256(word.serial() > now_ ? word.serial() : now_) << 224);
    }

    function from(ConsentWord word) internal pure returns (uint40) {
        return uint40(ConsentWord.unwrap(word));
    }

    function to(ConsentWord word) internal pure returns (uint40) {
        return uint40(ConsentWord.unwrap(word) >> 40);
    }

    function purposes(ConsentWord word) internal pure returns (uint32) {
        return uint32(ConsentWord.unwrap(word) >> 80);
    }

    function categories(ConsentWord word) internal pure returns (uint64) {
        return uint64(ConsentWord.unwrap(word) >> 112);
    }

    function epoch(ConsentWord word) internal pure returns (uint32) {
        return uint32(ConsentWord.unwrap(word) >> 176);
    }

    function flags(ConsentWord word) internal pure returns (uint16) {
        return uint16(ConsentWord.unwrap(word) >> 208);
    }

    function serial(ConsentWord word) internal pure returns (uint32) {
        return uint32(ConsentWord.unwrap(word) >> 224);
    }

    /// @dev Written in `epoch_` and not past its end. It may begin later.
    function isLive(ConsentWord word, uint32 epoch_) internal view returns (bool) {
        return word.to() > block.timestamp && word.epoch() == epoch_;
    }

    /// @dev Whether everything `inner` permits lies within the terms of `outer`.
    function contains(ConsentWord outer, ConsentWord inner) internal pure returns (bool) {
        return outer.from() <= inner.from() && inner.to() <= outer.to() && inner.purposes() & ~outer.purposes() == 0
            && inner.categories() & ~outer.categories() == 0;
    }

    function unpack(ConsentWord word) internal pure returns (IConsentRegistry.Consent memory) {
        return IConsentRegistry.Consent({
            from: word.from(),
            to: word.to(),
            purposes: word.purposes(),
            categories: word.categories(),
            epoch: word.epoch(),
            flags: word.flags(),
            serial: word.serial()
        });
    }

    /// @dev keccak256(abi.encode(patient, grantee, label, action)): the storage slot itself. 128 bytes are hashed, so it
    /// cannot meet a slot of a mapping (64 bytes).
    function slot(bytes32 patient, bytes32 grantee, bytes32 label, uint256 action)
        internal
        pure
        returns (bytes32 location)
    {
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, patient)
            mstore(add(p, 0x20), grantee)
            mstore(add(p, 0x40), label)
            mstore(add(p, 0x60), action)
            location := keccak256(p, 0x80)
        }
    }

    function load(bytes32 location) internal view returns (ConsentWord word) {
        assembly ("memory-safe") {
            word := sload(location)
        }
    }

    function store(bytes32 location, ConsentWord word) internal {
        assembly ("memory-safe") {
            sstore(location, word)
        }
    }
}
