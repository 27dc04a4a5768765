// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../interfaces/IConsentRegistry.sol";

/// @title EIP-712 struct hashes of what patients sign
/// @dev A struct's head in calldata is already the encoding that EIP-712 hashes, but for the array of labels; so it is
/// copied, not taken apart. A head with dirty high bits gives a hash that no wallet signs.
library ConsentTypes {
    bytes32 internal constant GRANT = keccak256(
        "Grant(bytes32 patient,bytes32 grantee,bytes32[] labels,uint8 actions,uint32 purposes,uint64 categories,uint40 from,uint40 to,bytes32 packageHash,bytes32 policyHash,uint64 nonce,uint40 deadline)"
    );
    bytes32 internal constant REVOCATION = keccak256(
        "Revocation(bytes32 patient,bytes32 grantee,bytes32[] labels,uint8 actions,uint64 nonce,uint40 deadline)"
    );
    bytes32 internal constant REVOKE_ALL = keccak256("RevokeAll(bytes32 patient,uint64 nonce,uint40 deadline)");
    bytes32 internal constant DELEGATION = keccak256(
        "Delegation(bytes32 patient,bytes32 delegate,bytes32[] labels,uint8 actions,uint32 purposes,uint64 categories,uint40 from,uint40 to,uint64 nonce,uint40 deadline)"
    );
    bytes32 internal constant REVOKE_DELEGATION =
        keccak256("RevokeDelegation(bytes32 patient,bytes32 delegate,bytes32[] labels,uint64 nonce,uint40 deadline)");
    bytes32 internal constant DELEGATED_GRANT = keccak256(
        "DelegatedGrant(bytes32 delegate,Grant consent)Grant(bytes32 patient,bytes32 grantee,bytes32[] labels,uint8 actions,uint32 purposes,uint64 categories,uint40 from,uint40 to,bytes32 packageHash,bytes32 policyHash,uint64 nonce,uint40 deadline)"
    );
    bytes32 internal constant REFUSE_ACCESS =
        keccak256("RefuseAccess(bytes32 patient,bytes32 request,uint40 deadline)");
    bytes32 internal constant EMERGENCY_VETO =
        keccak256("EmergencyVeto(bytes32 patient,bool vetoed,uint64 nonce,uint40 deadline)");

    function hash(IConsentRegistry.Grant calldata consent) internal pure returns (bytes32) {
        bytes32 head;
        assembly ("memory-safe") {
            head := consent
        }
        return _hash(GRANT, uint256(head), 12, consent.labels);
    }

    function hash(IConsentRegistry.Revocation calldata revocation) internal pure returns (bytes32) {
        bytes32 head;
        assembly ("memory-safe") {
            head := revocation
        }
        return _hash(REVOCATION, uint256(head), 6, revocation.labels);
    }

    function hash(IConsentRegistry.Delegation calldata delegation) internal pure returns (bytes32) {
        bytes32 head;
        assembly ("memory-safe") {
            head := delegation
        }
        return _hash(DELEGATION, uint256(head), 10, delegation.labels);
    }

    function hashOf(bytes32[] calldata labels) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            let size := shl(5, labels.length)
            calldatacopy(p, labels.offset, size)
            digest := keccak256(p, size)
        }
    }

    /// @dev keccak256(typeHash || the head's words, the third of which is the hash of the labels).
    function _hash(bytes32 typeHash, uint256 head, uint256 words, bytes32[] calldata labels)
        private
        pure
        returns (bytes32 digest)
    {
        bytes32 labelsHash = hashOf(labels);
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, typeHash)
            calldatacopy(add(p, 0x20), head, shl(5, words))
            mstore(add(p, 0x60), labelsHash)
            digest := keccak256(p, add(0x20, shl(5, words)))
        }
    }
}
