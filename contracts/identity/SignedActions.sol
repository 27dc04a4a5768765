// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {Parties} from "./Parties.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @notice EIP-712 signatures of parties: one nonce per party, counted up by every use; domain of this chain and contract.
abstract contract SignedActions is Parties, EIP712 {
    /// @inheritdoc IIdentityRegistry
    mapping(bytes32 party => uint256) public nonces;

    function _useNonce(bytes32 id) internal returns (uint256) {
        return nonces[id]++;
    }

    function _digest(bytes32 structHash, uint256 deadline) internal view returns (bytes32) {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        return _hashTypedDataV4(structHash);
    }

    function _signed(address signer, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        return Signatures.isValid(signer, digest, signature);
    }
}
