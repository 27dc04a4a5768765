// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../../../contracts/interfaces/IConsentRegistry.sol";

/// @notice EIP-712 as a wallet does it: field by field, written from the type strings of the interface and from nothing
/// of the contracts' own hashing.
library TypedData {
    string internal constant GRANT =
        "Grant(bytes32 patient,bytes32 grantee,bytes32[] labels,uint8 actions,uint32 purposes,uint64 categories,uint40 from,uint40 to,bytes32 packageHash,bytes32 policyHash,uint64 nonce,uint40 deadline)";

    function digest(address target, string memory name, bytes32 structHash) internal view returns (bytes32) {
        return digest(target, name, block.chainid, structHash);
    }

    function digest(address target, string memory name, uint256 chainId, bytes32 structHash)
        internal
        pure
        returns (bytes32)
    {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name)),
                keccak256("1"),
                chainId,
                target
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function hash(IConsentRegistry.Grant memory g) internal pure returns (bytes32) {
        bytes memory head = abi.encode(
            keccak256(bytes(GRANT)),
            g.patient,
            g.grantee,
            keccak256(abi.encodePacked(g.labels)),
            g.actions,
            g.purposes,
            g.categories
        );
        return keccak256(bytes.concat(head, abi.encode(g.from, g.to, g.packageHash, g.policyHash, g.nonce, g.deadline)));
    }

    function hash(bytes32 delegate, IConsentRegistry.Grant memory g) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256(abi.encodePacked("DelegatedGrant(bytes32 delegate,Grant consent)", GRANT));
        return keccak256(abi.encode(typeHash, delegate, hash(g)));
    }

    function hash(IConsentRegistry.Revocation memory r) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(
                    "Revocation(bytes32 patient,bytes32 grantee,bytes32[] labels,uint8 actions,uint64 nonce,uint40 deadline)"
                ),
                r.patient,
                r.grantee,
                keccak256(abi.encodePacked(r.labels)),
                r.actions,
                r.nonce,
                r.deadline
            )
        );
    }

    function hash(IConsentRegistry.Delegation memory d) internal pure returns (bytes32) {
        bytes memory head = abi.encode(
            keccak256(
                "Delegation(bytes32 patient,bytes32 delegate,bytes32[] labels,uint8 actions,uint32 purposes,uint64 categories,uint40 from,uint40 to,uint64 nonce,uint40 deadline)"
            ),
            d.patient,
            d.delegate,
            keccak256(abi.encodePacked(d.labels)),
            d.actions,
            d.purposes,
            d.categories
        );
        return keccak256(bytes.concat(head, abi.encode(d.from, d.to, d.nonce, d.deadline)));
    }

    function revokeAll(bytes32 patient, uint64 nonce, uint40 deadline) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(keccak256("RevokeAll(bytes32 patient,uint64 nonce,uint40 deadline)"), patient, nonce, deadline)
        );
    }

    function revokeDelegation(bytes32 patient, bytes32 delegate, bytes32[] memory labels, uint64 nonce, uint40 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                keccak256(
                    "RevokeDelegation(bytes32 patient,bytes32 delegate,bytes32[] labels,uint64 nonce,uint40 deadline)"
                ),
                patient,
                delegate,
                keccak256(abi.encodePacked(labels)),
                nonce,
                deadline
            )
        );
    }

    function refuseAccess(bytes32 patient, bytes32 request, uint40 deadline) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("RefuseAccess(bytes32 patient,bytes32 request,uint40 deadline)"), patient, request, deadline
            )
        );
    }

    function emergencyVeto(bytes32 patient, bool vetoed, uint64 nonce, uint40 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                keccak256("EmergencyVeto(bytes32 patient,bool vetoed,uint64 nonce,uint40 deadline)"),
                patient,
                vetoed,
                nonce,
                deadline
            )
        );
    }
}
