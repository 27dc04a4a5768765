// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../interfaces/IConsentRegistry.sol";
import {ConsentTypes} from "../libraries/ConsentTypes.sol";
import {ConsentState} from "./ConsentState.sol";

/// @notice The grant that is relayed most, at the lowest cost: one word, an account of its own, ECDSA. `grantSigned` is the
/// readable twin: a test relays the same message both ways and holds words, events and refusals equal.
abstract contract CompactGrants is ConsentState {
    bytes32 private constant GRANTED = ConsentGranted.selector;

    /// @inheritdoc IConsentRegistry
    function grantCompact(CompactGrant calldata consent) external whileGranting {
        uint256 fault = _grantCompact(consent, ConsentTypes.GRANT, GRANTED, _domainSeparatorV4());
        if (fault != 0) revert RelayRefused(consent.patient, _reason(fault));
    }

    /// @inheritdoc IConsentRegistry
    function grantCompactBatch(CompactGrant[] calldata consents) external whileGranting {
        bytes32 domain = _domainSeparatorV4();
        for (uint256 i = 0; i < consents.length; ++i) {
            uint256 fault = _grantCompact(consents[i], ConsentTypes.GRANT, GRANTED, domain);
            if (fault != 0) emit RelaySkipped(i, consents[i].patient, _reason(fault));
        }
    }

    /// @dev Writes only when everything holds; otherwise returns the number of the fault, so that a batch needs no call per
    /// entry. A second signature with the other s is no second right: the serial has been used.
    function _grantCompact(CompactGrant calldata consent, bytes32 typeHash, bytes32 granted, bytes32 domain)
        private
        returns (uint256 fault)
    {
        assembly ("memory-safe") {
            let terms := calldataload(add(consent, 0x60))
            mstore(0x00, calldataload(consent))
            mstore(0x20, _accounts.slot)
            let account := sload(keccak256(0x00, 0x40))
            let p := mload(0x40)

            // The struct hash of the Grant that it stands for.
            mstore(0x00, calldataload(add(consent, 0x40)))
            mstore(p, typeHash)
            calldatacopy(add(p, 0x20), consent, 0x40) // patient, grantee
            mstore(add(p, 0x60), keccak256(0x00, 0x20)) // labels: one
            mstore(add(p, 0x80), shl(and(shr(176, terms), 0xff), 1)) // actions: one
            mstore(add(p, 0xa0), and(shr(80, terms), 0xffffffff)) // purposes
            mstore(add(p, 0xc0), and(shr(112, terms), 0xffffffffffffffff)) // categories
            mstore(add(p, 0xe0), and(terms, 0xffffffffff)) // from
            mstore(add(p, 0x100), and(shr(40, terms), 0xffffffffff)) // to
            mstore(add(p, 0x120), calldataload(add(consent, 0x80))) // packageHash
            mstore(add(p, 0x140), 0) // policyHash: none
            mstore(add(p, 0x160), or(shl(32, and(shr(192, account), 0xffffffff)), shr(224, terms))) // nonce
            mstore(add(p, 0x180), and(shr(184, terms), 0xffffffffff)) // deadline

            // The digest, and who signed it: ecrecover leaves zero for an invalid signature.
            mstore(add(p, 0x22), keccak256(p, 0x1a0))
            mstore(p, hex"1901")
            mstore(add(p, 0x02), domain)
            mstore(p, keccak256(p, 0x42))
            mstore(add(p, 0x20), add(27, shr(255, calldataload(add(consent, 0xc0)))))
            mstore(add(p, 0x40), calldataload(add(consent, 0xa0)))
            mstore(add(p, 0x60), shr(1, shl(1, calldataload(add(consent, 0xc0)))))
            mstore(0x00, 0)
            pop(staticcall(gas(), 1, p, 0x80, 0x00, 0x20))
            let signer := mload(0x00)

            // The word in its place: patient, grantee, label, action.
            let action := and(shr(176, terms), 0xff)
            calldatacopy(p, consent, 0x60)
            mstore(add(p, 0x60), action)
            let location := keccak256(p, 0x80)

            // The tests of `grantSigned` in its order, backwards: what it would find first is written last.
            if iszero(gt(shr(224, terms), shr(224, sload(location)))) { fault := 7 }
            if iszero(lt(action, ACTIONS)) { fault := 6 }
            if iszero(and(shr(112, terms), 0xffffffffffffffff)) { fault := 5 }
            {
                let purposes := and(shr(80, terms), 0xffffffff)
                if or(iszero(purposes), and(purposes, BREAK_GLASS_PURPOSE)) { fault := 4 }
                let to := and(shr(40, terms), 0xffffffffff)
                if iszero(and(lt(and(terms, 0xffffffffff), to), lt(timestamp(), to))) { fault := 3 }
            }
            if or(iszero(signer), shl(96, xor(signer, account))) { fault := 2 }
            if gt(timestamp(), and(shr(184, terms), 0xffffffffff)) { fault := 1 }

            if iszero(fault) {
                // Terms and word agree but for the 48 bits of action and deadline, where the word has epoch and flags.
                let word := and(terms, not(shl(176, 0xffffffffffff)))
                word := or(word, shl(176, and(shr(160, account), 0xffffffff)))
                sstore(location, word)
                mstore(p, calldataload(add(consent, 0x40)))
                mstore(add(p, 0x20), shl(action, 1))
                mstore(add(p, 0x40), word)
                mstore(add(p, 0x60), calldataload(add(consent, 0x80)))
                log3(p, 0x80, granted, calldataload(consent), calldataload(add(consent, 0x20)))
            }
        }
    }

    function _reason(uint256 fault) private pure returns (bytes4) {
        if (fault == 1) return SignatureExpired.selector;
        if (fault == 2) return InvalidSignature.selector;
        if (fault == 3) return InvalidPeriod.selector;
        if (fault == 4) return InvalidPurposes.selector;
        if (fault == 5) return InvalidCategories.selector;
        if (fault == 6) return InvalidActions.selector;
        return InvalidNonce.selector;
    }
}
