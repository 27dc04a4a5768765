// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../../contracts/interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "../../contracts/interfaces/IIdentityRegistry.sol";
import {Consortium} from "./support/Consortium.sol";
import {TypedData} from "./support/TypedData.sol";
import {Wallet} from "./support/Wallet.sol";

/// @notice Who speaks for a party: custody and its end, change of controller.
contract CustodyTest is Consortium {
    string private constant NAME = "Consentry IdentityRegistry";

    function test_custodyShowsAndFollowsTheEntity() public {
        assertEq(identity.custodianOf(CAROL), A, "custodian");
        assertEq(identity.custodianOf(ALICE), 0, "own account");
        assertEq(identity.controllerOf(CAROL), a, "the custodian's controller");
        assertTrue(identity.speaksFor(CAROL, a), "custodian");
        assertFalse(identity.speaksFor(CAROL, b), "another entity");
        vm.prank(admin);
        identity.setStatus(A, IIdentityRegistry.Status.Suspended);
        assertFalse(identity.speaksFor(CAROL, a), "suspended custodian");
    }

    function test_claim() public {
        uint256 deadline = NOW + 600;
        bytes memory acceptance = changeSignature(CAROL, carol, deadline, CAROL_KEY);
        vm.expectEmit(address(identity));
        emit IIdentityRegistry.ControllerChanged(CAROL, a, carol);
        vm.expectEmit(address(identity));
        emit IIdentityRegistry.CustodyEnded(CAROL, A);
        vm.prank(a);
        identity.changeController(CAROL, carol, deadline, "", acceptance);
        assertEq(identity.custodianOf(CAROL), 0, "custody ended");
        assertEq(identity.controllerOf(CAROL), carol, "claimed");

        IConsentRegistry.Grant memory consent = grantOf(CAROL, B);
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.NotAuthorised.selector, CAROL, a));
        consents.grant(consent);
        vm.prank(carol);
        consents.grant(consent);
        assertTrue(mayRead(CAROL, B), "the patient decides");
    }

    function test_claimNeedsBothSides() public {
        uint256 deadline = NOW + 600;
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, CAROL, carol));
        identity.changeController(CAROL, carol, deadline, "", "");
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, CAROL, carol));
        identity.changeController(CAROL, carol, deadline, "", "");
        // The patient may be the sender, with the custodian's agreement.
        bytes memory agreement = changeSignature(CAROL, carol, deadline, A_KEY);
        vm.prank(carol);
        identity.changeController(CAROL, carol, deadline, agreement, "");
        assertEq(identity.controllerOf(CAROL), carol, "claimed");
    }

    function test_aThirdPartyMayRelayTheClaim() public {
        uint256 deadline = NOW + 600;
        bytes memory agreement = changeSignature(CAROL, carol, deadline, A_KEY);
        bytes memory acceptance = changeSignature(CAROL, carol, deadline, CAROL_KEY);
        identity.changeController(CAROL, carol, deadline, agreement, acceptance);
        assertEq(identity.controllerOf(CAROL), carol, "claimed");
        // Used: the nonce has moved on.
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.InvalidController.selector));
        identity.changeController(CAROL, carol, deadline, agreement, acceptance);
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.SignatureExpired.selector, deadline));
        identity.changeController(CAROL, stranger, deadline, agreement, acceptance);
    }

    function test_theCustodiansOwnAccountsDoNotEndACustody() public {
        vm.prank(a);
        identity.addOperator(A, stranger);
        bytes memory acceptance = changeSignature(CAROL, stranger, NOW, STRANGER_KEY);
        vm.prank(a);
        vm.expectRevert(IIdentityRegistry.InvalidController.selector);
        identity.changeController(CAROL, stranger, NOW, "", acceptance);
        vm.prank(a);
        vm.expectRevert(IIdentityRegistry.InvalidController.selector);
        identity.changeController(CAROL, a, NOW, "", "");
    }

    function test_aSuspendedCustodianMayStillLetGo() public {
        vm.prank(admin);
        identity.setStatus(A, IIdentityRegistry.Status.Suspended);
        bytes memory acceptance = changeSignature(CAROL, carol, NOW, CAROL_KEY);
        vm.prank(a);
        identity.changeController(CAROL, carol, NOW, "", acceptance);
        assertEq(identity.custodianOf(CAROL), 0, "free");
    }

    function test_aRevokedPartyIsNotHandedOver() public {
        vm.prank(admin);
        identity.setStatus(B, IIdentityRegistry.Status.Revoked);
        bytes memory acceptance = changeSignature(B, stranger, NOW, STRANGER_KEY);
        vm.prank(b);
        vm.expectRevert(
            abi.encodeWithSelector(
                IIdentityRegistry.InvalidStatus.selector,
                B,
                IIdentityRegistry.Status.Revoked,
                IIdentityRegistry.Status.Active
            )
        );
        identity.changeController(B, stranger, NOW, "", acceptance);
    }

    function test_anOperatorHandsOverPatientsInCustodyAndNotItsEntity() public {
        vm.prank(a);
        identity.addOperator(A, stranger);
        bytes memory acceptance = changeSignature(A, carol, NOW, CAROL_KEY);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, A, stranger));
        identity.changeController(A, carol, NOW, "", acceptance);
        acceptance = changeSignature(CAROL, carol, NOW, CAROL_KEY);
        vm.prank(stranger);
        identity.changeController(CAROL, carol, NOW, "", acceptance);
        assertEq(identity.controllerOf(CAROL), carol, "claimed");
    }

    function test_aHandoverIsNotReplayedOnceItWasUndone() public {
        bytes memory agreement = changeSignature(ALICE, stranger, NOW, ALICE_KEY);
        bytes memory acceptance = changeSignature(ALICE, stranger, NOW, STRANGER_KEY);
        identity.changeController(ALICE, stranger, NOW, agreement, acceptance);
        bytes memory back = changeSignature(ALICE, alice, NOW, ALICE_KEY);
        vm.prank(stranger);
        identity.changeController(ALICE, alice, NOW, "", back);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, ALICE, address(this)));
        identity.changeController(ALICE, stranger, NOW, agreement, acceptance);
    }

    function test_aSuspendedCustodianGivesNothingAndTakesEverythingAway() public {
        IConsentRegistry.Grant memory consent = grantOf(CAROL, B);
        consents.grantSigned(consent, signed(consent, A_KEY));
        vm.prank(admin);
        identity.setStatus(A, IIdentityRegistry.Status.Suspended);
        consent.grantee = DOCTOR;
        bytes memory by = signed(consent, A_KEY);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, CAROL));
        consents.grantSigned(consent, by);
        IConsentRegistry.Revocation memory revocation = revocationOf(CAROL, B);
        consents.revokeSigned(revocation, signed(revocation, A_KEY));
        assertFalse(mayRead(CAROL, B), "revoked");
        uint64 nonce = consents.revocationNonce(CAROL);
        by = signature(TypedData.emergencyVeto(CAROL, true, nonce, NOW), A_KEY);
        consents.setEmergencyVetoSigned(CAROL, true, nonce, NOW, by);
        assertTrue(consents.emergencyVetoed(CAROL), "vetoed");
        by = signature(TypedData.emergencyVeto(CAROL, false, ++nonce, NOW), A_KEY);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, CAROL));
        consents.setEmergencyVetoSigned(CAROL, false, nonce, NOW, by);
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.NotAuthorised.selector, CAROL, a));
        consents.setEmergencyVeto(CAROL, false);
    }

    function test_changePatientToANewKey() public {
        bytes memory acceptance = changeSignature(ALICE, stranger, NOW, STRANGER_KEY);
        vm.prank(alice);
        identity.changeController(ALICE, stranger, NOW, "", acceptance);
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        bytes memory old = signed(consent, ALICE_KEY);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, ALICE));
        consents.grantSigned(consent, old);
        consents.grantSigned(consent, signed(consent, STRANGER_KEY));
        assertTrue(mayRead(ALICE, B), "the new key decides");
    }

    function test_whatTheFormerKeySignedIsVoidEvenIfItComesBack() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        bytes memory early = signed(consent, ALICE_KEY);
        bytes memory acceptance = changeSignature(ALICE, stranger, NOW, STRANGER_KEY);
        vm.prank(alice);
        identity.changeController(ALICE, stranger, NOW, "", acceptance);
        acceptance = changeSignature(ALICE, alice, NOW, ALICE_KEY);
        vm.prank(stranger);
        identity.changeController(ALICE, alice, NOW, "", acceptance);
        vm.expectPartialRevert(IConsentRegistry.InvalidNonce.selector);
        consents.grantSigned(consent, early);
    }

    function test_onlyTheIdentityRegistryTellsOfControllers() public {
        address[3] memory others = [admin, a, alice];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.NotIdentityRegistry.selector, others[i]));
            consents.controllerChanged(ALICE, others[i]);
        }
    }

    function test_aContractWalletSpeaksByErc1271() public {
        Wallet wallet = new Wallet(vm.addr(CAROL_KEY));
        bytes memory acceptance = changeSignature(CAROL, address(wallet), NOW, CAROL_KEY);
        vm.prank(a);
        identity.changeController(CAROL, address(wallet), NOW, "", acceptance);
        IConsentRegistry.Grant memory consent = grantOf(CAROL, B);
        bytes memory stranger_ = signed(consent, STRANGER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, CAROL));
        consents.grantSigned(consent, stranger_);
        consents.grantSigned(consent, signed(consent, CAROL_KEY));
        assertTrue(mayRead(CAROL, B), "granted by a contract wallet");
    }

    function changeSignature(bytes32 party, address controller, uint256 deadline, uint256 privateKey)
        private
        view
        returns (bytes memory)
    {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("ChangeController(bytes32 party,address controller,uint256 nonce,uint256 deadline)"),
                party,
                controller,
                identity.nonces(party),
                deadline
            )
        );
        return signature(address(identity), NAME, structHash, privateKey);
    }
}
